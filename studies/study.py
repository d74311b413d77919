"""What a study is: a question, the trials that answer it, and the answer and the figure made from their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studies.runs import Planned, Setup

#: A trial as its ledger holds it: factors, options, values, facts.
TrialRow = Mapping[str, Any]
#: Study -> its rows.
AllRows = Mapping[str, Sequence[TrialRow]]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the rows say. words: sentences; header, table: numbers as they are printed, one string per cell."""

    words: tuple[str, ...]
    header: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Marks:
    """Points (x, y) of one colour; (x, y, low, high) has an interval, along x where the panel has names on y.

    A missing y leaves the point out.
    """

    label: str
    points: Sequence[tuple[float | None, ...]]
    joined: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One coordinate system. x_names, y_names: what stands at 0, 1, 2 ... in place of numbers.

    band: (centre, half its width) of what chance explains; line: a value to compare with; both lie on y, or on x where
    the panel has names on y. x_scale, y_scale: "linear", "log", or "symlog", linear up to 1.
    """

    x: str
    y: str
    marks: Sequence[Marks]
    title: str = ""
    x_names: Sequence[str] = ()
    y_names: Sequence[str] = ()
    x_scale: str = "linear"
    y_scale: str = "linear"
    band: tuple[float, float] | None = None
    line: float | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """plan: its trials, the most telling first; answer, figure: from its own rows and those of all studies.

    corpora, data: what its command line takes, in words; no corpora: it has texts of its own.
    reads_others: it answers from the runs of other studies too, even where none of its own was run; usable: those of
    its rows that it answers from.
    """

    name: str
    question: str
    plan: Callable[[Setup], list[Planned]]
    answer: Callable[[Sequence[TrialRow], AllRows], Findings]
    figure: Callable[[Sequence[TrialRow], AllRows], Sequence[Panel]]
    corpora: str = "CORPUS"
    data: tuple[str, ...] = field(default=("SENTEVAL",))
    reads_others: bool = False
    usable: Callable[[Sequence[TrialRow]], Sequence[TrialRow]] = tuple

    @property
    def command(self) -> str:
        """How it is run."""
        folders = [f"--data {folder}" for folder in self.data]
        return " ".join(["python -m studies", self.name, *filter(None, [self.corpora]), *folders])
