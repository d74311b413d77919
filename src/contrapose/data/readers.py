"""Rows of text from any mixture of files: one stream, one record of what could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from contrapose.data.columns import check_given
from contrapose.data.formats_parquet import read_parquet
from contrapose.data.formats_table import read_csv, read_tsv
from contrapose.data.formats_text import Row, read_jsonl, read_txt
from contrapose.data.lines import DEFAULT_LIMITS, Limits
from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import find_sources
from contrapose.data.text import printable
from contrapose.errors import DataError, UsageError

__all__ = ["READERS", "Row", "read_rows"]

READERS = {
    "txt": read_txt,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
}


def read_rows(
    sources: Sequence[str | Path] | str | Path,
    *,
    columns: Sequence[str] | None = None,
    label_column: str | None = None,
    quarantine: Quarantine,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Row]:
    """Every row of every source, streamed in order; what cannot be read goes to ``quarantine``.

    sources: files (.txt .jsonl .csv .tsv .parquet, each also .gz), folders (all known files below, sorted), globs, or
        "-" for lines from standard input.
    columns: names of the columns to read, or positions from 1 in a csv or tsv without a header. One is the text;
        several are anchor, positive, negatives. None: known names decide, see ``columns.py``.
    label_column: the column of classes, read beside the texts as their last column, ``label``.
    limits: what one file may ask of the machine.

    Blank lines are rows of empty texts, so that every line of a file is accounted for: after the last row,
    ``quarantine.read`` is the number of rows met, and ``quarantine.bad`` how many of them did not come out here.

    Raises :class:`DataError` for files that are missing, unreadable or not what their name says, and for sources with
    different columns; :class:`UsageError` for wrong column names; :class:`TooManyBadRows`.

    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pairs.jsonl")
    ...     _ = open(path, "w").write('{"query": "a", "pos": ["b", "c"]}\\n[1]\\n')
    ...     quarantine = Quarantine()
    ...     [(row.columns, row.texts) for row in read_rows(path, quarantine=quarantine)], quarantine.bad
    ([(('anchor', 'positive'), ('a', 'b'))], 1)
    """
    given = check_given(columns)
    if given is not None and label_column in given:
        raise UsageError(f"the column {printable(label_column)} cannot be a text and the label")
    known: tuple[str, ...] = ()
    known_from = ""
    for source in find_sources(sources):
        for row in READERS[source.format](source, given, quarantine, limits, label_column):
            if row.columns is not known and row.columns != known and row.columns:
                if known:
                    raise DataError(
                        f"{source.shown} gives the columns {', '.join(row.columns)}, but {known_from} gave "
                        f"{', '.join(known)}. Read files of one kind at a time"
                    )
                known, known_from = row.columns, source.shown
            quarantine.accept()
            yield row
    quarantine.finish()
