"""Several processes as one: the rows of a global batch are split, the pooled vectors are gathered once.

Every process scores the whole gathered batch itself, so objectives never hear of processes. The gradient with respect
to the gathered vectors is the same everywhere; each process takes the slice of its own rows and sends it through its
own forward passes, and the encoder's gradients are summed. No differentiable gather is needed, and the result equals
one process with the same global batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from contrapose.data.text import printable
from contrapose.errors import ProcessLost, UsageError
from contrapose.train.launch import launched

#: How long a process waits for the others. The first encodes and searches a whole corpus while they do, which may take
#: longer than torch's 30 minutes; where a process has died, torchrun ends all of them at once.
PATIENCE = timedelta(days=1)


@dataclass(frozen=True)
class ProcessGroup:
    """This process among all; one process alone is rank 0 of 1."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: str = "cpu") -> ProcessGroup:
        """Join the group that ``torchrun`` announces through the environment; alone where there is none.

        device: "cpu" or "cuda", where the tensors lie that the processes exchange.

        Raises UsageError for an announcement that cannot be meant, and where the others are not found.
        """
        launch = launched()
        if launch.size == 1:
            return cls()
        if not dist.is_initialized():
            try:
                dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
            except (ValueError, RuntimeError, OSError) as error:
                address = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
                raise UsageError(
                    f"process {launch.rank} of {launch.size} cannot join the others at {printable(address, 300)}: "
                    f"{printable(str(error).splitlines()[0], 300)}. Start all of them with torchrun"
                ) from None
        return cls(rank=dist.get_rank(), size=dist.get_world_size())

    def leave(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """The rows of a global batch that this process encodes."""
        if batch_size % self.size:
            raise UsageError(f"batch_size {batch_size} cannot be split evenly over {self.size} processes")
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def gather_rows(self, pooled_VbD: Tensor) -> Tensor:
        """(views, local rows, D) of every process as (views, all rows, D), in the order of ranks. No gradient."""
        if self.size == 1:
            return pooled_VbD.detach()
        parts = [torch.empty_like(pooled_VbD) for _ in range(self.size)]
        with self._together():
            dist.all_gather(parts, pooled_VbD.detach().contiguous())
        return torch.cat(parts, dim=1)

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

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What all processes do at once. Raises ProcessLost where another is gone."""
        try:
            yield
        except RuntimeError as error:
            if not _tells_of_a_lost_process(error):
                raise
            raise ProcessLost(
                f"process {self.rank} of {self.size}: another process ended, or no longer answers; its message says why"
            ) from error


def _tells_of_a_lost_process(error: RuntimeError) -> bool:
    """NCCL has a class of its own for it; gloo has words only.

    >>> _tells_of_a_lost_process(RuntimeError("[tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:48269. GLHF!"))
    True
    >>> _tells_of_a_lost_process(RuntimeError("Tensors must be contiguous"))
    False
    """
    words = str(error).lower()
    signs = ("closed by peer", "reset by peer", "broken pipe", "timed out", "timeout")
    return isinstance(error, dist.DistError) or any(sign in words for sign in signs)
