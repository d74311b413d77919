"""Tables as text: csv (quoted, its delimiter found) and tsv (never quoted), with or without a header line."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from contrapose.data.columns import KNOWN_NAMES, LABEL, SINGLE_TEXT, map_columns, roles, unmapped_columns
from contrapose.data.delimiters import DELIMITERS, ONE_COLUMN, declared_delimiter, find_delimiter
from contrapose.data.formats_text import Row
from contrapose.data.lines import Limits, Line, decoded_lines
from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import Source
from contrapose.errors import DataError

#: Lines, and characters of them, that the delimiter of a csv is found by.
LOOK_AHEAD, LOOK_AHEAD_CHARACTERS = 200, 1 << 20


class Record(NamedTuple):
    """The cells of one record and the line where it starts; () for a blank line."""

    line: Line
    cells: tuple[str, ...]


class _Layout(NamedTuple):
    """How the records of one file are read: which positions, under which names, out of how many."""

    positions: tuple[int, ...]
    names: tuple[str, ...]
    width: int
    header: bool


def read_tsv(
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None = None,
) -> Iterator[Row]:
    """One record per line, tabs between cells. Quote characters are text: collections of sentences are not quoted."""
    return _rows(tsv_records(source, quarantine, limits), source, given, quarantine, limits, label)


def read_csv(
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None = None,
) -> Iterator[Row]:
    """Cells may be quoted and then hold delimiters, doubled quotes and line ends (RFC 4180)."""

    def is_header(cells: Sequence[str]) -> bool:
        return map_columns(cells, given, (), label) is not None

    records = csv_records(source, quarantine, limits, is_header)
    return _rows(records, source, given, quarantine, limits, label)


def _rows(
    records: Iterator[Record],
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None,
) -> Iterator[Row]:
    layout: _Layout | None = None
    for line, cells in records:
        if not cells:
            names = layout.names if layout else ()
            yield Row(("",) * max(1, len(names)), source.name, line.number, names)
            continue
        if layout is None:
            layout = _layout(cells, source, given, limits, label)
            if layout.header:
                continue
        if len(cells) != layout.width:
            detail = f"expected {layout.width}, found {len(cells)}"
            quarantine.reject(source.name, line.number, line.byte_offset, "wrong number of fields", detail)
            continue
        yield Row(tuple([cells[i] for i in layout.positions]), source.name, line.number, layout.names)


def _layout(
    cells: tuple[str, ...], source: Source, given: Sequence[str] | None, limits: Limits, label: str | None
) -> _Layout:
    """Read the first record. It is a header when a known or a given column name is in it.

    A single unknown cell is the first text of a file without a header. Given positions ("2,3", counted from 1) mean a
    file without a header, too.
    """
    width = len(cells)
    if width > limits.max_columns:
        raise DataError(f"{source.shown} has {width:,} columns; at most {limits.max_columns:,} are read")
    if given is None and label is None and width == 1 and cells[0].strip().lower() not in KNOWN_NAMES:
        return _Layout((0,), SINGLE_TEXT, width, header=False)
    mapping = map_columns(cells, given, (), label)
    if mapping is not None:
        return _Layout(tuple(cells.index(key) for key in mapping.keys), mapping.names, width, header=True)
    further = () if label is None else (label,)
    if given is not None and all(_is_position(name, width) for name in (*given, *further)):
        positions = tuple(int(name) - 1 for name in (*given, *further))
        names = (*roles(len(given)), *(() if label is None else (LABEL,)))
        return _Layout(positions, names, width, header=False)
    raise unmapped_columns(source.shown, cells, given, label)


def _is_position(name: str, width: int) -> bool:
    # The bound on the length keeps int() from refusing thousands of digits.
    return name.isascii() and name.isdigit() and len(name) <= len(str(width)) and 1 <= int(name) <= width


class _Pulled:
    """Feeds csv's parser line by line, notes what it took, and stops it where a record grows out of bounds."""

    def __init__(self, lines: Iterator[Line], limits: Limits) -> None:
        self._lines, self._limits = lines, limits
        self.waiting: deque[Line] = deque()
        self.taken: list[Line] = []
        self.starved = False
        self._bytes = 0
        self._single_until = 0

    def begin(self) -> Line | None:
        """The next line as the start of a record; None at the end of the file."""
        self.taken, self.starved, self._bytes = [], False, 0
        line = self._next()
        if line is not None:
            self.waiting.appendleft(line)
        return line

    def __iter__(self) -> _Pulled:
        return self

    def __next__(self) -> str:
        if self.taken and not self._may_go_on():
            self.starved = True
            raise StopIteration
        line = self._next()
        if line is not None and self.taken and line.number != self.taken[-1].number + 1:
            self.waiting.appendleft(line)  # a line between was quarantined: what it held is missing here
            line = None
        if line is None:
            self.starved = True
            raise StopIteration
        self.taken.append(line)
        self._bytes += len(line.text)
        return line.text + "\n"

    def give_back(self) -> None:
        """All lines but the first are read again, as records of their own.

        After a record that went out of bounds, the lines it ran over are not joined again: they hold no closing
        quote, and joining from each of them anew would take quadratic time.
        """
        if self.starved:
            self._single_until = max(self._single_until, self.taken[-1].number)
        self.waiting.extendleft(reversed(self.taken[1:]))

    def _may_go_on(self) -> bool:
        if self.taken[0].number <= self._single_until:
            return False
        return len(self.taken) < self._limits.max_record_lines and self._bytes < self._limits.max_line_bytes

    def _next(self) -> Line | None:
        return self.waiting.popleft() if self.waiting else next(self._lines, None)


def tsv_records(source: Source, quarantine: Quarantine, limits: Limits) -> Iterator[Record]:
    """Records of one line each, tabs between their cells."""
    for line in decoded_lines(source, quarantine, limits):
        yield Record(line, tuple(line.text.split("\t")) if line.text.strip() else ())


def csv_records(
    source: Source, quarantine: Quarantine, limits: Limits, is_header: Callable[[Sequence[str]], bool]
) -> Iterator[Record]:
    """Records that may run over several lines. A broken one costs its first line only; the rest is read again.

    The delimiter is found by the first lines (``is_header``: see :func:`find_delimiter`). One that the suffix does
    not promise is told to ``quarantine``, which keeps the statistics of what was read.
    """
    lines = decoded_lines(source, quarantine, limits)
    first, whole = _look_ahead(lines)
    delimiter = declared_delimiter(first[0].text) if first else ""
    if delimiter:
        first = first[1:]
    else:
        delimiter = find_delimiter([line.text for line in first], is_header, whole=whole)
    if delimiter in DELIMITERS and delimiter != ",":
        quarantine.note(f"{source.shown}: its columns are separated by {DELIMITERS[delimiter]}")
    elif delimiter == ONE_COLUMN and any("," in line.text for line in first):
        quarantine.note(f"{source.shown}: one column; commas are part of its texts")
    pulled = _Pulled(chain(first, lines), limits)
    while (line := pulled.begin()) is not None:
        if not line.text.strip():
            pulled.waiting.popleft()
            yield Record(line, ())
            continue
        if '"' not in line.text:
            pulled.waiting.popleft()
            yield Record(line, tuple(line.text.split(delimiter)))
            continue
        try:
            cells = next(csv.reader(pulled, delimiter=delimiter, strict=True))
        except (csv.Error, StopIteration) as error:
            detail = "a quote is never closed" if pulled.starved else str(error)
            quarantine.reject(source.name, line.number, line.byte_offset, "invalid csv", detail)
            pulled.give_back()
        else:
            yield Record(line, tuple(cells))


def _look_ahead(lines: Iterator[Line]) -> tuple[list[Line], bool]:
    """The first lines, and whether they are all there are."""
    first: list[Line] = []
    characters = 0
    for line in lines:
        first.append(line)
        characters += len(line.text)
        if len(first) == LOOK_AHEAD or characters >= LOOK_AHEAD_CHARACTERS:
            return first, False
    return first, True
