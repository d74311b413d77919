"""How steps follow one another: plain, or with weights that are masked, averaged or frozen in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn


class TrainingProtocol(nn.Module):
    """Hooks around the steps of a run. State lies in buffers, so that a resumed run goes on with it.

    weights: the trained parameters by name; ``before`` and ``after`` may change them in place.
    """

    name: ClassVar[str] = "plain"
    idea: ClassVar[str] = "One step after the other, on all rows."

    def rows(self, step: int) -> Tensor | None:
        """The rows of the corpus that the step may use; None: all of them."""
        return None

    def before(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called before the batch of a step."""

    def after(self, step: int, weights: Mapping[str, Tensor]) -> None:
        """Called after an accepted step."""
