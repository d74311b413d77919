"""How steps follow one another: plain, or with weights that are masked, averaged or frozen in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from contrapose.contract.text_part import TextRows
from contrapose.contract.views import Views

#: ``gradient_of(number, measure)``: name -> gradient of a scalar ``measure(views)`` with respect to every weight it
#: reaches, on the batch that lies ``number`` steps ahead. Views are ``anchor``, ``positive``.. and the same
#: ``@pooled``: before the train-only head, as the exported model gives them. Valid until the next call.
GradientOf = Callable[[int, Callable[[Views], Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class RunOutline:
    """What a protocol knows of its run.

    num_steps      of the whole run; a run that is continued may have more than it was begun with
    batch_size     rows of one step, over all processes
    lookup_tables  names of the weights whose rows are looked up: words, positions. They are no matrices.
    corpus_starts  the first row of each of the corpora that the run was given
    """

    num_steps: int = 0
    batch_size: int = 0
    lookup_tables: frozenset[str] = frozenset()
    corpus_starts: tuple[int, ...] = (0,)


class TrainingProtocol(nn.Module):
    """Hooks around the steps of a run. State lies in buffers, so that a resumed run goes on with it.

    A subclass says its ``name`` and ``idea``, takes its hyperparameters as keyword-only arguments, and overrides the
    hooks it is about. Every process of a run calls them alike, and what they do must be the same in each. ``--with``
    takes a protocol of the catalogue by its name, beside the parts: one protocol for a run.

    run: what is known of the run, set before ``attach``.
    weights: what is trained, by name; ``before``, ``after``, ``settle`` and ``inspect`` may change it in place and
    are called without gradient.

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
    #: Hyperparameters of parts, where a run has them, that have another default with this protocol.
    defaults: ClassVar[Mapping[str, Any]] = {}
    #: What :attr:`steps_together` are called, and what their number follows from: words of messages.
    called_together: ClassVar[str] = "group"
    counted_together: ClassVar[str] = ""
    #: Why the trained weights may not be blended with the pretrained ones, as a clause; '' where they may.
    forbids_blend: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.run = RunOutline()

    @property
    def steps_together(self) -> int:
        """Steps that belong together, such as a round of clients: a run is evaluated, and ends, after whole ones."""
        return 1

    def check_rows(self, num_rows: int) -> None:
        """Raise UsageError where there are too few rows to train on, before anything is computed of them."""

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor], *, seed: int
    ) -> Mapping[str, np.ndarray]:
        """What must be known of the whole corpus, such as whose row each is: as :meth:`TextPart.prepare`."""
        return {}

    def take(self, prepared: Mapping[str, np.ndarray]) -> None:
        """Take what :meth:`prepare` gave, read-only, before ``attach``: in every process, and where a run goes on."""

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        """Register the buffers, once, before a checkpoint is put back: ``weights`` are those of the pretrained model,
        ``rows`` the rows of the corpus that the run may train on."""

    def rows(self, step: int) -> Tensor | None:
        """The rows of the corpus that the step may use; None: all of them. A function of the step alone, of no buffer
        that changes: batches are made ahead of their step, in another thread."""
        return None

    def inspects_at(self, step: int) -> bool:
        """Whether :meth:`inspect` is called before this step, and a checkpoint written before that."""
        return False

    def inspect(self, step: int, weights: Mapping[str, Tensor], gradient_of: GradientOf) -> str:
        """Look at gradients of measures of the protocol's own, over batches, and keep what was found in buffers.

        What it returns, if anything, is told to the person: a sentence about what was done to the weights."""
        return ""

    def restarts_optimizer_at(self, step: int) -> bool:
        """Whether the optimizer forgets its moments before this step, because the weights are put elsewhere."""
        return False

    def rate_step(self, step: int) -> int:
        """The step whose learning rate this one has: another one where steps take place at the same time."""
        return step

    def renews_copies_at(self, step: int) -> bool:
        """Whether companions that are copies of the model (source "self", no momentum) take the weights as they are
        before this step."""
        return False

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called before the forward pass of a step, also of one whose gradient turns out not to be finite."""

    def after_backward(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called with the gradients of a step on ``weights``, before their norm is taken; may change them in place."""

    def after(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called after an accepted step."""

    def settle(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called at the end of every step, also of a skipped one, before anything is measured or saved."""

    def may_export(self) -> bool:
        """Whether the weights, as they are now, may become the model: if not, no checkpoint of now is the best."""
        return True
