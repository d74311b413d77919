"""A study: a question that the papers leave open, the trials that answer it, and the answer made from their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.setup import Planned, Setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: A trial as its ledger holds it: factors, options, values, facts.
Row = Mapping[str, Any]
#: The rows of every study that was run, by name.
AllRows = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the rows say. words: sentences; header, table: numbers as they are printed, one string per cell."""

    words: tuple[str, ...]
    header: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """plan: its trials, the most telling first; answer, figure: from its own rows and those of all studies.

    corpora, data: what its command line takes, in words; no corpora: it has texts of its own.
    reads_others: it answers from the runs of other studies too, even where none of its own was run.
    """

    name: str
    question: str
    plan: Callable[[Setup], list[Planned]]
    answer: Callable[[Sequence[Row], AllRows], Answer]
    figure: Callable[[Sequence[Row], AllRows], Figure]
    corpora: str = "CORPUS"
    data: tuple[str, ...] = ("SENTEVAL",)
    reads_others: bool = False

    @property
    def command(self) -> str:
        """How it is run."""
        folders = [f"--data {folder}" for folder in self.data]
        return " ".join(["python -m studies", self.name, *filter(None, [self.corpora]), *folders])
