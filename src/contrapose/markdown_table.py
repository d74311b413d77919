"""A table in Markdown: the one that results, reports, model cards and studies are written with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: A bar ends a cell, unless a backslash stands before it; a line end would end the table.
_BAR, _LINE_END = re.compile(r"(?<!\\)\|"), re.compile(r"[\r\n]+")


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> list[str]:
    """Lines of a table; the last ``numbers`` columns are set to the right.

    Cells keep their Markdown: who writes another's words into them makes the words harmless first.

    >>> print("\\n".join(markdown_table(["task", "mean"], [["a|b", "1.00"]], numbers=1)))
    | task | mean |
    | --- | --: |
    | a\\|b | 1.00 |
    """
    rule = ["---"] * (len(header) - numbers) + ["--:"] * numbers
    lines = [map(_cell, header), rule, *(map(_cell, row) for row in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _cell(text: str) -> str:
    return _BAR.sub(r"\\|", _LINE_END.sub(" ", text))
