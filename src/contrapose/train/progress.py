"""The loop's own state: small numbers that a checkpoint carries beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contrapose.errors import ResumeRefused


@dataclass
class Progress:
    """Where a run stands. ``step`` counts finished steps, accepted or skipped."""

    step: int = 0
    start_score: float | None = None
    best_step: int | None = None
    best_score: float | None = None
    evaluations_since_best: int = 0
    skipped_in_a_row: int = 0
    skipped_total: int = 0
    collapsed_in_a_row: int = 0
    collapse_told: bool = False
    stopped_early: bool = False

    def to_state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, step: int, state: Mapping[str, Any]) -> Progress:
        """
        >>> Progress.from_state(3, Progress(step=3, best_step=2).to_state()).best_step
        2
        """
        try:
            return cls(**{**state, "step": step})
        except TypeError as error:
            raise ResumeRefused(
                f"the checkpoint was written by another version of contrapose: {error}"
            ) from None
