"""Formats with one record per line: plain text and JSON lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from contrapose.data.columns import SINGLE_TEXT, ColumnMapping, cell_text, map_columns, unmapped_columns
from contrapose.data.lines import Limits, Line, decoded_lines
from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import Source
from contrapose.data.text import printable
from contrapose.errors import UsageError
from contrapose.foreign import parse_json

#: Records looked at before the columns of a jsonl file are decided, by majority: its first record may be a bad one.
LOOK_AHEAD = 1_000

#: Characters after which looking ahead ends as well, so that a thousand long records are not held in memory.
LOOK_AHEAD_CHARACTERS = 8_000_000


class Row(NamedTuple):
    """One row as it stands in its file, not normalised. A blank row has empty texts.

    ``line`` counts from 1 (parquet: the row). ``columns`` are the names of ``texts``; every row of one read has the
    same, except that blank lines before the first record have ().
    """

    texts: tuple[str, ...]
    file: str
    line: int
    columns: tuple[str, ...]


def read_txt(
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None = None,
) -> Iterator[Row]:
    """One text per line. Two or more given columns are an error, one is meant for the tables beside this file."""
    if label is not None:
        raise UsageError(
            f"{source.shown} has one text per line, and no column {printable(label, 40)} for the labels"
        )
    if given is not None and len(given) > 1:
        raise UsageError(f"{source.shown} has one text per line and no columns to choose from")
    name = source.name
    for number, _, text in decoded_lines(source, quarantine, limits):
        yield Row((text,), name, number, SINGLE_TEXT)


class JsonRecord(NamedTuple):
    """A parsed line of JSON: an object, a bare string, or None for a blank line."""

    line: Line
    value: dict[str, Any] | str | None


def read_jsonl(
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None = None,
) -> Iterator[Row]:
    """One JSON object per line, or one JSON string per line.

    The columns are those that most of the first records allow. Raises :class:`DataError` when none does.
    """
    records = json_records(source, quarantine, limits)
    first = _look_ahead(records)
    mapping = _majority(first, given, label)
    if mapping is None:
        objects = [record.value for record in first if isinstance(record.value, dict)]
        if objects or label is not None:
            raise unmapped_columns(source.shown, list(objects[0]) if objects else [], given, label)
        mapping = ColumnMapping(SINGLE_TEXT, ("text",))
    for record in chain(first, records):
        line = record.line
        if record.value is None:
            yield Row(("",) * len(mapping.names), source.name, line.number, mapping.names)
            continue
        texts, reason, detail = _texts(record.value, mapping)
        if reason:
            quarantine.reject(source.name, line.number, line.byte_offset, reason, detail)
        else:
            yield Row(texts, source.name, line.number, mapping.names)


def json_records(source: Source, quarantine: Quarantine, limits: Limits) -> Iterator[JsonRecord]:
    """Every line that holds an object or a string, and blank ones; others are quarantined."""
    for line in decoded_lines(source, quarantine, limits):
        if not line.text.strip():
            yield JsonRecord(line, None)
            continue
        try:
            value = parse_json(line.text)
        except ValueError as error:
            quarantine.reject(source.name, line.number, line.byte_offset, "invalid JSON", str(error))
        else:
            if isinstance(value, dict | str):
                yield JsonRecord(line, value)
            else:
                detail = "neither an object nor a string"
                quarantine.reject(source.name, line.number, line.byte_offset, "wrong type", detail)


def _look_ahead(records: Iterator[JsonRecord]) -> list[JsonRecord]:
    first, characters = [], 0
    for record in records:
        first.append(record)
        characters += len(record.line.text)
        if len(first) >= LOOK_AHEAD or characters > LOOK_AHEAD_CHARACTERS:
            break
    return first


def _majority(
    records: Iterable[JsonRecord], given: Sequence[str] | None, label: str | None
) -> ColumnMapping | None:
    votes: Counter[ColumnMapping] = Counter()
    for record in records:
        if isinstance(record.value, dict):
            textual = [key for key, value in record.value.items() if isinstance(value, str)]
            mapping = map_columns(list(record.value), given, textual, label)
            if mapping is not None:
                votes[mapping] += 1
        elif isinstance(record.value, str) and label is None and (given is None or len(given) == 1):
            votes[ColumnMapping(SINGLE_TEXT, tuple(given or SINGLE_TEXT))] += 1
    return votes.most_common(1)[0][0] if votes else None


def _texts(value: dict[str, Any] | str, mapping: ColumnMapping) -> tuple[tuple[str, ...], str, str]:
    """(texts, "", "") of a record, or ((), reason, detail)."""
    if isinstance(value, str):
        if len(mapping.names) > 1:
            return (), "wrong type", "a string where an object was expected"
        value = {mapping.keys[0]: value}
    texts = []
    for role, key in zip(mapping.names, mapping.keys, strict=True):
        if key not in value:
            return (), "missing field", key
        text, wrong = cell_text(value[key], role)
        if wrong:
            return (), "wrong type", f"{key} is {wrong}"
        texts.append(text)
    return tuple(texts), "", ""
