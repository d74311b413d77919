"""What the training loop tells the demo: only the time of each step is of interest here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from contrapose.experiment.clock import Clock
from contrapose.listening import Listener


class TrainingListener(Listener):
    """Passes steps on to the demo's clock and notices on to its watcher."""

    def __init__(self, clock: Clock, moved: Callable[[], None], notice: Callable[[str], None]) -> None:
        self._clock, self._moved, self._notice = clock, moved, notice
        self._began = False

    def notice(self, text: str) -> None:
        self._notice(text)

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """The clock runs from the first preparation, so that loading counts as around the steps."""
        if not self._began:
            self._began = True
            self._clock.begin_training()
        self._moved()

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self._clock.continued_at(first_step)
        self._moved()

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self._clock.stepped(float(row["seconds"]))
        self._moved()
