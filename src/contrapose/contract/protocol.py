"""How steps follow one another: plain, or with weights that are masked, averaged or frozen in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn


class TrainingProtocol(nn.Module):
    """Hooks around the steps of a run. State lies in buffers, so that a resumed run goes on with it.

    A subclass says its ``name`` and ``idea``, takes its hyperparameters as keyword-only arguments, and overrides the
    hooks it is about. Every process of a run calls them alike, and what they do must be the same in each.

    weights: what is trained, by name; ``before`` and ``after`` may change it in place and are called without gradient.

    >>> import torch
    >>> class Still(TrainingProtocol):
    ...     name, idea = "still", "The biases stay as they were."
    ...     def attach(self, weights, rows, *, seed):
    ...         self.register_buffer("bias", weights["bias"].detach().clone())
    ...     def after(self, step, weights):
    ...         weights["bias"].copy_(self.bias)
    >>> weights, still = {"bias": torch.ones(2)}, Still()
    >>> still.attach(weights, torch.arange(5), seed=0)
    >>> weights["bias"] *= 3; still.after(0, weights); weights["bias"]
    tensor([1., 1.])
    """

    name: ClassVar[str] = "plain"
    idea: ClassVar[str] = "One step after the other, on all rows."
    #: What it does not go with: the name of a method, part or text part -> why, in one sentence.
    excludes: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        super().__init__()

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        """Register the buffers, once, before a checkpoint is put back: ``weights`` are those of the pretrained model,
        ``rows`` the rows of the corpus that the run may train on."""

    def rows(self, step: int) -> Tensor | None:
        """The rows of the corpus that the step may use; None: all of them. A function of the step alone, of no buffer
        that changes: batches are made ahead of their step, in another thread."""
        return None

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called before the forward pass of a step, also of one whose gradient turns out not to be finite."""

    def after(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called after an accepted step."""
