"""The one way in which long work says how far it is: to a progress bar, a log, a program, or nobody.

Work consists of tasks, and a task may lie inside another. A task with a ``unit`` counts ("text", "row", "file"); one
without is a stage, which only says what is being done. A training run tells its steps and evaluations besides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger(__name__)

#: The answer to the first Ctrl-C.
STOPPING = "stopping after this step, and saving; the same again ends at once, without saving"


class Listener:
    """Told what happens. This one logs; the command line's one draws the progress bar."""

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """A task begins, inside those that have not ended. total: how many units it has, where that is known."""
        logger.info(what)

    def expect(self, total: int) -> None:
        """The innermost task that counts has so many units: told when that is known only later, or grows."""

    def advance(self, count: int = 1) -> None:
        """So many units more of the innermost task that counts are done."""

    def end(self) -> None:
        """The innermost task is over, whether it succeeded or not."""

    @contextmanager
    def task(self, what: str, total: int | None = None, unit: str = "") -> Iterator[None]:
        """:meth:`begin` and :meth:`end` around a block.

        >>> class Shown(Listener):
        ...     def begin(self, what, total=None, unit=""): print("begin", what, total, unit)
        ...     def advance(self, count=1): print("advance", count)
        ...     def end(self): print("end")
        >>> shown = Shown()
        >>> with shown.task("encoding", 5, "text"): shown.advance(5)
        begin encoding 5 text
        advance 5
        end
        """
        self.begin(what, total, unit)
        try:
            yield
        finally:
            self.end()

    def notice(self, text: str) -> None:
        """Something a person should read."""
        logger.warning(text)

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        """Training begins, at ``first_step`` steps done; ``facts`` are worth showing."""

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        """Training step ``step`` (from 1) is done."""

    def evaluated(self, step: int, scores: Mapping[str, float], is_best: bool) -> None:
        """The criterion that chooses the checkpoint was measured."""

    def stopping(self) -> None:
        """Ctrl-C or SIGTERM came in a step; told at once, from a thread of its own, while the step goes on."""
        logger.warning(STOPPING)

    def finished(self, summary: Mapping[str, Any]) -> None:
        """The model is written."""


#: What an argument ``progress`` may be: a listener, or a function that is called with the number of units just done.
Progress = Listener | Callable[[int], object] | None


def listener_of(progress: Progress) -> Listener:
    """The listener that is meant by an argument ``progress``; None is a silent one.

    >>> done = []
    >>> with listener_of(done.append).task("encoding", 3, "text"): listener_of(done.append).advance(3)
    >>> done
    [3]
    """
    return progress if isinstance(progress, Listener) else _Advancing(progress)


class _Advancing(Listener):
    """Passes on how many units are done, and nothing else."""

    def __init__(self, advanced: Callable[[int], object] | None) -> None:
        self._advanced = advanced

    def begin(self, what: str, total: int | None = None, unit: str = "") -> None:
        """The function has no ear for it."""

    def advance(self, count: int = 1) -> None:
        if self._advanced is not None:
            self._advanced(count)
