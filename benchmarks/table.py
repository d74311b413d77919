"""What a benchmark hands out: rows of what was predicted, measured, the least that is possible, and a rival.

A benchmark is a module of this package with ``def measure(*, quick: bool) -> list[dict]``; each dict has the fields of
:class:`Row`. A number stands for itself and its unit is part of the name ("training step, ms"); None is "not known".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from contrapose.markdown_table import markdown_table

Value = float | int | str | None
NOT_MEASURED = "not measured"
HEADER = ("what", "predicted", "measured", "floor", "times floor", "rival", "note")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measured thing.

    predicted: what was expected before it was measured. floor: the least that the machine's rates allow
    (:mod:`benchmarks.floors`); times_floor: measured over floor. rival: the same of the named other way, or the ratio
    to it. note: what the number cannot say, a rival's settings first of all.
    """

    name: str
    predicted: Value = None
    measured: Value = None
    floor: Value = None
    times_floor: Value = None
    rival: Value = None
    note: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Row:
        """A row of a benchmark's dict.

        >>> Row.of({"name": "step, ms", "measured": 12.0, "floor": 8.0}).times_floor
        1.5

        Raises ValueError for a row without a name, a key that no column has, and a number that is not finite.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise ValueError(f"a row has the keys {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        if not given.get("name"):
            raise ValueError(f"a row has no name: {dict(given)}")
        if infinite := [
            key for key, value in given.items() if isinstance(value, float) and not math.isfinite(value)
        ]:
            raise ValueError(f"row '{given['name']}' has no finite number as {', '.join(infinite)}")
        row = cls(**given)
        if row.times_floor is None and _number(row.measured) and _number(row.floor) and row.floor:
            return cls(**{**asdict(row), "times_floor": float(row.measured) / float(row.floor)})  # type: ignore[arg-type]
        return row

    def cells(self) -> tuple[str, ...]:
        """As printed, a string for each column of :data:`HEADER`."""
        measured = NOT_MEASURED if self.measured is None else shown(self.measured)
        others = (self.floor, self.times_floor, self.rival)
        return (self.name, shown(self.predicted), measured, *map(shown, others), self.note)


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(value: Value) -> str:
    """A value as a table shows it: three figures of a number, all of a whole one.

    >>> shown(0.0123456), shown(1234567.0), shown(65536), shown("flat"), shown(None)
    ('0.0123', '1,234,567', '65,536', 'flat', '')
    """
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def as_markdown(rows: Sequence[Row]) -> list[str]:
    """The rows as a table of Markdown; a column that is empty in all of them is left out."""
    cells = [row.cells() for row in rows]
    used = [place for place in range(len(HEADER)) if place == 0 or any(row[place] for row in cells)]
    return markdown_table(
        [HEADER[place] for place in used], [[row[place] for place in used] for row in cells]
    )


def as_text(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of a terminal: columns side by side, the note below its row."""
    cells = [row.cells()[:-1] for row in rows]
    used = [place for place in range(len(HEADER) - 1) if place == 0 or any(row[place] for row in cells)]
    lines = [[HEADER[place] for place in used], *([row[place] for place in used] for row in cells)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(used))]
    told = []
    for number, line in enumerate(lines):
        first, *rest = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        told.append("  ".join([first, *rest]).rstrip())
        if number and rows[number - 1].note:
            told.append(f"    {rows[number - 1].note}")
    return told
