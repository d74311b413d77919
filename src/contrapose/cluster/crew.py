"""A Ray cluster, or one that is started on this machine, and how much of it each worker gets."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import ClusterError, MissingExtra, UsageError

#: The address that means a cluster of this machine alone, which ends with the command.
LOCAL = "local"

#: Seconds that the head of a cluster is given to answer.
PATIENCE = 20.0

_ADDRESS = re.compile(r"(?P<host>[^:/\s]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
_MEMORY = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Crew:
    """What is asked of a cluster. workers: None for one per GPU, or where there is none one per machine.

    address: "local", "auto" (the cluster that this machine belongs to) or HOST:PORT of its head; memory: bytes that
    each worker reserves, None for no limit.
    """

    address: str = LOCAL
    workers: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.address.startswith("ray://"):
            raise UsageError(
                f"--address {printable(self.address, 200)}: a Ray client far from the cluster is of no use here, where "
                "files are shared. Give the command on a machine of the cluster, with --address auto"
            )
        if self.address not in (LOCAL, "auto") and not _ADDRESS.fullmatch(self.address):
            raise UsageError(
                f"--address {printable(self.address, 200)} is no address. Give local, auto, or HOST:PORT as "
                "`ray start --head` prints it"
            )


@dataclass(frozen=True)
class Share:
    """How many workers there are, and what Ray reserves for each of them."""

    workers: int
    cpus: int
    gpus: int
    memory: int | None = None

    @property
    def resources(self) -> dict[str, Any]:
        """The arguments of Ray's ``options``."""
        memory = {} if self.memory is None else {"memory": self.memory}
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, **memory}

    @property
    def bundle(self) -> dict[str, float]:
        """The same as a bundle of a placement group."""
        gpus = {"GPU": float(self.gpus)} if self.gpus else {}
        memory = {} if self.memory is None else {"memory": float(self.memory)}
        return {"CPU": float(self.cpus), **gpus, **memory}


def share_of(nodes: Sequence[Mapping[str, float]], workers: int | None, memory: int | None = None) -> Share:
    """The largest number of processors that each of ``workers`` can have on these machines; one GPU, where enough are.

    nodes: of each machine, what Ray counts: "CPU", "GPU", "memory" (bytes). Raises :class:`UsageError` where they do
    not fit.

    >>> share_of([{"CPU": 16}, {"CPU": 16}], 4)
    Share(workers=4, cpus=8, gpus=0, memory=None)
    >>> share_of([{"CPU": 16, "GPU": 2}], None)
    Share(workers=2, cpus=8, gpus=1, memory=None)
    >>> share_of([{"CPU": 3}, {"CPU": 3}], 3)
    Share(workers=3, cpus=1, gpus=0, memory=None)
    """
    all_gpus = int(sum(node.get("GPU", 0) for node in nodes))
    wanted = workers or all_gpus or len(nodes)
    gpus = 1 if all_gpus >= wanted else 0
    for cpus in range(int(max((node.get("CPU", 0) for node in nodes), default=0)), 0, -1):
        if sum(_fitting(node, cpus, gpus, memory) for node in nodes) >= wanted:
            return Share(wanted, cpus, gpus, memory)
    found = ", ".join(
        f"{node.get('CPU', 0):g} CPU and {node.get('memory', 0) / 2**30:.1f} GiB" for node in nodes[:8]
    )
    asked = "" if memory is None else f" of {memory / 2**30:.1f} GiB"
    raise UsageError(
        f"{wanted:,} workers{asked} do not fit on the cluster, whose machines have {found}. Give fewer --workers"
        + ("" if memory is None else ", or less --memory-per-worker")
    )


def _fitting(node: Mapping[str, float], cpus: int, gpus: int, memory: int | None) -> int:
    """How many workers a machine has room for."""
    room = [node.get("CPU", 0) // cpus]
    room += [node.get("GPU", 0) // gpus] if gpus else []
    room += [node.get("memory", 0) // memory] if memory else []
    return int(min(room))


def bytes_of(text: str) -> int:
    """A size as people write it.

    >>> bytes_of("4GB"), bytes_of("512 MiB"), bytes_of("1.5g")
    (4294967296, 536870912, 1610612736)
    """
    match = _MEMORY.fullmatch(text.strip())
    size = 0
    if match is not None:
        size = int(float(match["number"]) * 1024 ** " KMGT".index(match["unit"].upper() or " "))
    if size < 1:
        raise UsageError(f"--memory-per-worker {printable(text, 60)} is no size: write it as 4GB or 512MB")
    return size


def check_ray() -> None:
    """Raise :class:`MissingExtra` where Ray is not installed; it is not imported yet."""
    if find_spec("ray") is None:
        raise MissingExtra("work on a cluster (--engine ray, --address)", "ray", "ray")


@contextmanager
def connected(crew: Crew) -> Iterator[Share]:
    """Inside the block Ray works for this process. A local cluster ends with the block, another one stays.

    Raises :class:`MissingExtra`, :class:`ClusterError` where no cluster answers, :class:`UsageError` where the workers
    do not fit on it.
    """
    check_ray()
    variables = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
    if crew.address == LOCAL:
        # A token of this cluster alone: Ray would else write one into the home folder, for good.
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        cpus = max(len(os.sched_getaffinity(0)), crew.workers or 1)
        how = {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        _check_answers(crew.address)
        how = {"address": crew.address}
    with _environment(variables, without=("RAY_ADDRESS",) if crew.address == LOCAL else ()):
        ray: Any = import_module("ray")  # it reads its variables once, when it is imported
        try:
            ray.init(**how, logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
            raise ClusterError(_no_answer(crew.address, error)) from None
        try:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            yield share_of(nodes, crew.workers, crew.memory)
        finally:
            ray.shutdown()


@contextmanager
def _environment(variables: Mapping[str, str], *, without: Sequence[str] = ()) -> Iterator[None]:
    """Inside the block these variables are set where they are not yet, and those of ``without`` are not there."""
    before = {name: os.environ.get(name) for name in (*variables, *without)}
    for name in without:
        os.environ.pop(name, None)
    for name, value in variables.items():
        os.environ.setdefault(name, value)
    try:
        yield
    finally:
        for name, known in before.items():
            if known is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = known


def _check_answers(address: str) -> None:
    """Raise :class:`ClusterError` where no head answers. Ray itself would try for a minute."""
    given = address
    if given == "auto":
        given = os.environ.get("RAY_ADDRESS", "").strip() or _of_this_machine()
    match = _ADDRESS.fullmatch(given)
    if match is None:
        raise ClusterError(
            f"no cluster was found on this machine{f' (RAY_ADDRESS is {printable(given, 100)})' if given else ''}. "
            "Start one with `ray start --head`, or give --address HOST:PORT of its head, or --address local"
        )
    try:
        with socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=PATIENCE):
            pass
    except (OSError, OverflowError) as error:
        raise ClusterError(_no_answer(address if address == given else f"auto ({given})", error)) from None


def _of_this_machine() -> str:
    """The address that `ray start` notes down for the programs of its machine."""
    folder = os.environ.get("RAY_TMPDIR") or "/tmp"
    try:
        with open(os.path.join(folder, "ray", "ray_current_cluster"), encoding="utf-8") as file:
            return file.read(300).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _no_answer(address: str, error: BaseException) -> str:
    said = printable((str(error).strip().splitlines() or [type(error).__name__])[0], 200)
    return (
        f"no Ray cluster answers at {printable(address, 200)}: {said}. Look whether it runs (`ray status`) with the "
        "same versions of Ray and Python, and whether this machine may reach it. Where it asks for a token, set "
        "RAY_AUTH_MODE=token as on its machines"
    )
