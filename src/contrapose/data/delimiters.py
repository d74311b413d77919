"""What stands between the columns of a csv: its name promises a comma, half of Europe's spreadsheets write semicolons.

The header decides: where splitting the first line gives known names, those are the columns. Without such a header the
first rows decide: the delimiter that gives nearly all of them as many cells as the first has. A file of one column is
never split, however many commas its texts hold.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence

#: In this order where two fit equally well.
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
#: The delimiter of a file of one column; no line of text holds it.
ONE_COLUMN = "\0"
#: Share of the rows that must agree with the first.
_AGREEING = 0.9
#: Rows below a first line without delimiters that make it a title: fewer could be texts that happen to agree.
_ROWS_OF_A_TABLE = 5
#: A first line that spreadsheets write and read: it names the delimiter and is no row.
_DECLARED = re.compile(r"sep=(.)\s*", re.IGNORECASE)


def declared_delimiter(line: str) -> str:
    """The delimiter that a first line ``sep=;`` names, or "" for any other line.

    >>> declared_delimiter("sep=;"), declared_delimiter("text;label")
    (';', '')
    """
    declared = _DECLARED.fullmatch(line)
    return declared[1] if declared and declared[1] in DELIMITERS else ""


def find_delimiter(lines: Sequence[str], is_header: Callable[[Sequence[str]], bool], *, whole: bool) -> str:
    """The delimiter of a csv by its first ``lines``, or :data:`ONE_COLUMN`.

    is_header: whether the cells of a record are the names of columns that are looked for.
    whole: whether ``lines`` are the whole file; else its last record may be cut and does not count.

    >>> known = lambda cells: "text" in cells
    >>> find_delimiter(["text;label", "one, two;3"], known, whole=True)
    ';'
    >>> find_delimiter(["text", "one, two", "three, four, five"], known, whole=True) == ONE_COLUMN
    True
    """
    tables = {delimiter: _records(lines, delimiter, whole=whole) for delimiter in DELIMITERS}
    split = {delimiter: table for delimiter, table in tables.items() if table and len(table[0]) > 1}
    headed = {delimiter: table for delimiter, table in split.items() if is_header(table[0])}
    if headed:
        return max(headed, key=lambda delimiter: _agreement(headed[delimiter]))
    if not split:
        titled = not any(table and is_header(table[0]) for table in tables.values())
        # Columns below a line that has none: the file is damaged, and is refused as a csv of commas.
        return "," if titled and any(map(_is_table, (table[1:] for table in tables.values()))) else ONE_COLUMN
    best = max(split, key=lambda delimiter: _agreement(split[delimiter]))
    if _agreement(split[best])[0] >= _AGREEING:
        return best
    return "," if "," in split else ONE_COLUMN


def _records(lines: Sequence[str], delimiter: str, *, whole: bool) -> list[list[str]]:
    """The records that are not blank."""
    rows = []
    try:
        for cells in csv.reader((line + "\n" for line in lines), delimiter=delimiter):
            if any(cell.strip() for cell in cells):
                rows.append(cells)
    except csv.Error:  # a field of more than csv's own limit
        return rows
    return rows if whole or len(rows) < 2 else rows[:-1]


def _agreement(table: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The share of records with as many cells as the first, and how many those are."""
    width = len(table[0])
    return sum(len(cells) == width for cells in table) / len(table), width


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    if len(rows) < _ROWS_OF_A_TABLE:
        return False
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return width > 1 and count >= _AGREEING * len(rows)
