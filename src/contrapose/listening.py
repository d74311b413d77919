"""What a long piece of work tells whoever waits for it: a progress bar, a log, or nobody."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger(__name__)

#: The answer to the first Ctrl-C.
STOPPING = "stopping after this step, and saving; the same again ends at once, without saving"


class Listener:
    """Told what happens in a run; the command line's one draws the progress bar. This one logs and says nothing."""

    def notice(self, text: str) -> None:
        """Something a person should read."""
        logger.warning(text)

    def preparing(self, what: str) -> None:
        """A part of the preparation begins that may take a while."""
        logger.info(what)

    def reading(self, rows: int) -> None:
        """So many rows of the corpus were read."""

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        """Training begins, at ``first_step`` steps done; ``facts`` are worth showing."""

    def stopping(self) -> None:
        """Ctrl-C or SIGTERM came in a step; told at once, from a thread of its own, while the step goes on."""
        logger.warning(STOPPING)

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        """Step ``step`` (from 1) is done."""

    def looking(self, done: int, total: int) -> None:
        """Held-out text is looked at: ``done`` of ``total`` texts are encoded. Begins with 0, ends with all."""

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        """The criterion was measured."""

    def finished(self, summary: Mapping[str, Any]) -> None:
        """The model is written."""
