"""Several processes as one: the rows of a global batch are split, the pooled vectors are gathered once.

Every process scores the whole gathered batch itself, so objectives never hear of processes. The gradient with respect
to the gathered vectors is the same everywhere; each process takes the slice of its own rows and sends it through its
own forward passes, and the encoder's gradients are summed. No differentiable gather is needed, and the result equals
one process with the same global batch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from contrapose.data.text import printable
from contrapose.errors import ProcessLost, UsageError
from contrapose.train.agreement import processes_in_words, refuse_differences
from contrapose.train.launch import launched
from contrapose.train.meeting import Peer, meet

#: How long a process at work waits for the others. The first encodes and searches a whole corpus while they do, which
#: may take longer than torch's 30 minutes; where a process has died, its connection tells, or torchrun ends all.
PATIENCE = timedelta(days=1)
#: Seconds in which a process that ended is told from those that still live.
_TO_SEE_WHO_ENDED = 2.0


@dataclass(frozen=True)
class ProcessGroup:
    """This process among all; one process alone is rank 0 of 1. peers: all of them, where they are known."""

    rank: int = 0
    size: int = 1
    peers: tuple[Peer, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def join(cls, device: str = "cpu", about: Mapping[str, str] | None = None) -> ProcessGroup:
        """Join the group that ``torchrun`` announces through the environment; alone where there is none.

        device: "cpu" or "cuda", where the tensors lie that the processes exchange; about: what must be the same in
        all processes, by name.

        Raises UsageError for an announcement that cannot be meant, where a process does not come within the minutes of
        ``CONTRAPOSE_JOIN_MINUTES`` (10), and where one says another thing of itself.
        """
        launch = launched()
        if launch.size == 1:
            return cls()
        about = {**(about or {}), "kind of device": device}
        if dist.is_initialized():
            joined = cls(rank=dist.get_rank(), size=dist.get_world_size())
            joined.agree(about, torch.device(device, launch.local_rank if device == "cuda" else 0))
            return joined
        store, peers = meet(launch, about)
        try:
            dist.init_process_group(
                "nccl" if device == "cuda" else "gloo",
                store=store,
                rank=launch.rank,
                world_size=launch.size,
                timeout=PATIENCE,
            )
        except (ValueError, RuntimeError, OSError) as error:
            address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise UsageError(
                f"process {launch.rank} of {launch.size} cannot join the others at {printable(address, 300)}: "
                f"{printable(str(error).splitlines()[0], 300)}. Start all of them with torchrun"
            ) from None
        return cls(rank=launch.rank, size=launch.size, peers=peers)

    def leave(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """The rows of a global batch that this process encodes: where they cannot be shared evenly, the first
        processes have one more.

        >>> [ProcessGroup(rank, 3).rows(8) for rank in range(3)]
        [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
        """
        if batch_size < self.size:
            raise UsageError(
                f"batch_size {batch_size} is less than a row for each of {self.size} processes: give a larger "
                f"--batch-size, or start {batch_size} processes at most"
            )
        least, more = divmod(batch_size, self.size)
        start = self.rank * least + min(self.rank, more)
        return slice(start, start + least + (self.rank < more))

    def gather_rows(self, pooled_VbD: Tensor, num_rows: int) -> Tensor:
        """(views, local rows, D) of every process as (views, num_rows, D), in the order of ranks. No gradient."""
        if self.size == 1:
            return pooled_VbD.detach()
        most = -(-num_rows // self.size)
        room = most - pooled_VbD.shape[1]
        padded_VbD = torch.nn.functional.pad(pooled_VbD.detach(), (0, 0, 0, room)).contiguous()
        parts = [torch.empty_like(padded_VbD) for _ in range(self.size)]
        with self._together():
            dist.all_gather(parts, padded_VbD)
        with_one_more = num_rows % self.size or self.size
        return torch.cat(
            [part[:, : most - (rank >= with_one_more)] for rank, part in enumerate(parts)], dim=1
        )

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up the gradients of all processes, in one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        with self._together():
            dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def start_sum(self, flat: Tensor) -> Any:
        """Begin to add up ``flat`` over all processes, in place and in the background; for :meth:`finish`."""
        with self._together():
            return dist.all_reduce(flat, async_op=True)

    def finish(self, message: Any) -> None:
        """Wait for what was begun; None is done already."""
        if message is not None:
            with self._together():
                message.wait()

    def most(self, number: int, device: torch.device) -> int:
        """The largest number that any process says."""
        if self.size == 1:
            return number
        said = torch.tensor([number], device=device)
        with self._together():
            dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return int(said.item())

    def sum(self, values: Tensor) -> Tensor:
        """The values of all processes, added up. No gradient."""
        total = values.detach().clone()
        if self.size > 1:
            with self._together():
                dist.all_reduce(total)
        return total

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says so."""
        return bool(self.most(int(flag), device))

    def of_first(self, number: float, device: torch.device) -> float:
        """The number that the first process says: what decides where all must go must be the same to the last bit."""
        if self.size == 1:
            return number
        said = torch.tensor([number], dtype=torch.float64, device=device)
        with self._together():
            dist.broadcast(said, src=0)
        return float(said.item())

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            with self._together():
                dist.barrier()

    def agree(self, about: Mapping[str, str], device: torch.device) -> None:
        """Raise UsageError, in every process, where they do not all say the same."""
        if self.size == 1:
            return
        own = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8).to(device)
        length = self.most(len(own), device)
        padded = torch.nn.functional.pad(own, (0, length - len(own)), value=ord(" "))
        said = self.gather_rows(padded[None, None], self.size)[0]
        refuse_differences([json.loads(bytes(each.tolist())) for each in said])

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What all processes do at once. Raises ProcessLost where another is gone."""
        try:
            yield
        except RuntimeError as error:
            if not _tells_of_a_lost_process(error):
                raise
            raise ProcessLost(
                f"process {self.rank} of {self.size}: {self._who_ended()} ended, or no longer answers; its message "
                "says why. What was saved is kept: start all processes again with the same command and --resume"
            ) from error

    def _who_ended(self) -> str:
        others = [rank for rank in range(self.size) if rank != self.rank]
        until = time.monotonic() + _TO_SEE_WHO_ENDED
        gone = others if self.size == 2 else []
        while self.peers and not gone and time.monotonic() < until:
            gone = [rank for rank in others if self.peers[rank].is_gone()]
            time.sleep(0.05)
        return processes_in_words(gone) if gone else "another process"


def _tells_of_a_lost_process(error: RuntimeError) -> bool:
    """NCCL has a class of its own for it; gloo has words only.

    >>> _tells_of_a_lost_process(RuntimeError("[tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:48269. GLHF!"))
    True
    >>> _tells_of_a_lost_process(RuntimeError("Tensors must be contiguous"))
    False
    """
    words = str(error).lower()
    signs = (
        "closed by peer",
        "reset by peer",
        "connection refused",
        "broken pipe",
        "pair closure",
        "timed out",
        "timeout",
    )
    return isinstance(error, dist.DistError) or any(sign in words for sign in signs)
