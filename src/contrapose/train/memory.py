"""How much memory is free, and how much a computation takes: read from the system, and counted tensor by tensor."""

from __future__ import annotations

import os
import resource
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ROOT = Path("/")
#: Of the machine's memory, where the system does not say how much of it is free.
UNKNOWN_SHARE = 0.5


def free_memory(device: torch.device, root: Path = _ROOT) -> int:
    """Bytes that this process may still take on ``device``.

    On a GPU what its driver says. On a CPU the least of: what the system can give without swapping; what the control
    groups of this process (a container, a batch system) leave; what its address space has left (``ulimit -v``).

    root: where the system's files are.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    limits = [_of_machine(root), *_of_groups(root), *_of_address_space(root)]
    return max(0, min(limits))


def _of_machine(root: Path) -> int:
    if (said := _table(root / "proc/meminfo").get("MemAvailable:")) is not None:
        return said * 1024
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * UNKNOWN_SHARE)


def _of_groups(root: Path) -> Iterator[int]:
    """What is left in each control group around this process, of either version; files it can drop count as free."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            yield from _left(root / "sys/fs/cgroup", path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _left(root / "sys/fs/cgroup/memory", path, *names)


def _left(top: Path, path: str, limit: str, usage: str, droppable: str) -> Iterator[int]:
    """Of the group ``path`` and of all above it; a container may see its own group as the top."""
    inside = top / path.strip("/")
    for folder in (inside, *inside.parents):
        most, used = _text(folder / limit).strip(), _text(folder / usage).strip()
        if most.isdecimal() and used.isdecimal():
            yield int(most) - int(used) + _table(folder / "memory.stat").get(droppable, 0)
        if folder == top:
            return


def _of_address_space(root: Path) -> Iterator[int]:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _table(root / "proc/self/status").get("VmSize:")
    if soft != resource.RLIM_INFINITY and used is not None:
        yield soft - used * 1024


def _table(path: Path) -> dict[str, int]:
    """Lines of a name and a whole number."""
    words = (line.split() for line in _text(path).splitlines())
    return {word[0]: int(word[1]) for word in words if len(word) > 1 and word[1].isdecimal()}


def _text(path: Path) -> str:
    """'' for a file that is not there: every system has only some of them."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the tensors that are made inside the block while they are alive, each storage once.

    now: bytes that are alive; most: the most there were at one time. A kernel's own scratch memory is not seen.

    >>> with LiveBytes() as live:
    ...     _ = (torch.zeros(256) + 1).sum()
    >>> live.most
    2048
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
                self._count(leaf.untyped_storage())
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        name = storage._cdata
        if name in self._alive:
            return
        self._alive.add(name)
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._gone, name, storage.nbytes())

    def _gone(self, name: int, size: int) -> None:
        self._alive.discard(name)
        self.now -= size


def peak_bytes(call: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors that ``call`` has at one time, beside those that were there before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - int(before)
    with LiveBytes() as live:
        call()
    return int(live.most)


def in_gib(count: float) -> str:
    """
    >>> in_gib(3.2 * 2**30), in_gib(5 * 2**20)
    ('3.2 GiB', '0.0049 GiB')
    """
    gib = count / 2**30
    return f"{gib:.1f} GiB" if gib >= 0.1 else f"{gib:.2g} GiB" if gib >= 0.001 else "0.001 GiB"
