"""Gradients of all processes, added up while the backward pass still goes on.

The parameters are put into buckets, those of the last layer first, as the backward pass reaches them. A bucket whose
gradients are complete is sent as one flat message in the background, and what comes back is waited for at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from contrapose.train.distributed import ProcessGroup

#: Bytes of a message: smaller ones start earlier, larger ones waste less.
BUCKET_BYTES = 25 << 20


def buckets_of(parameters: Iterable[Tensor], limit: int = BUCKET_BYTES) -> list[list[Tensor]]:
    """The parameters that learn, from the last to the first, in groups of one type and of about ``limit`` bytes.

    >>> sizes = [[each.numel() for each in bucket] for bucket in buckets_of(
    ...     [torch.zeros(size, requires_grad=True) for size in (9, 1, 2, 3)], limit=20)]
    >>> sizes
    [[3, 2], [1, 9]]
    """
    buckets: list[list[Tensor]] = []
    size = 0
    for parameter in reversed([each for each in parameters if each.requires_grad]):
        if not buckets or size >= limit or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel() * parameter.element_size()
    return buckets


class GradientSums:
    """Around the backward pass that completes the gradients of ``parameters``: afterwards they are those of all
    processes, added up. Where there is one process, or the pass fails, nothing is done.

    All processes send the same buckets in the same order: one that is complete early waits for those before it.
    """

    def __init__(self, processes: ProcessGroup, parameters: Iterable[Tensor]) -> None:
        self._processes = processes
        self._buckets = buckets_of(parameters, BUCKET_BYTES) if processes.size > 1 else []
        self._left = [len(bucket) for bucket in self._buckets]
        self._sent: list[tuple[Sequence[Tensor], Tensor, Any]] = []
        self._handles: list[RemovableHandle] = []
        #: Messages that were on their way before the backward pass ended.
        self.early = 0

    def __enter__(self) -> Self:
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                register: Any = parameter.register_post_accumulate_grad_hook
                self._handles.append(register(lambda _, number=number: self._ready(number)))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        if kind is not None:
            return
        self.early = len(self._sent)
        while len(self._sent) < len(self._buckets):
            self._send()
        for gradients, flat, message in self._sent:
            self._processes.finish(message)
            start = 0
            for gradient in gradients:
                gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
                start += gradient.numel()

    def _ready(self, number: int) -> None:
        self._left[number] -= 1
        while (following := len(self._sent)) < len(self._buckets) and self._left[following] <= 0:
            self._send()

    def _send(self) -> None:
        bucket = self._buckets[len(self._sent)]
        # What the pass did not reach, it reached in no process.
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        flat = torch.cat([gradient.detach().flatten() for gradient in gradients] or [torch.zeros(0)])
        self._sent.append((gradients, flat, self._processes.start_sum(flat) if gradients else None))
