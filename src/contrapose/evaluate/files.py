"""The lines of files that a model is measured on: bounded like every input, and a bad line is an error, not a gap."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from contrapose.data.lines import Limits, Line, decoded_lines
from contrapose.data.quarantine import BadLine, NoneBad
from contrapose.data.sources import Source
from contrapose.errors import DataError

logger = logging.getLogger(__name__)

#: Tables are held in memory as a whole; the largest public ones have some tens of MB.
TABLE = Limits(max_expanded_bytes=256 << 20)
#: Collections of documents: the largest of BEIR (MS MARCO) has 3 GB. A document may be a book.
COLLECTION = Limits(max_expanded_bytes=4 << 30, max_line_bytes=8 << 20)


class Lines(NamedTuple):
    """The lines of a file, and the encoding that they were read in."""

    lines: list[str]
    encoding: str


def file_source(path: Path) -> Source:
    """A file for the readers of :mod:`contrapose.data`; of its suffix only ``.gz`` counts.

    Raises :class:`DataError` for a file that is not there.
    """
    if not path.exists():
        raise DataError(f"{path}: cannot be read (no such file). Is the data folder complete?")
    return Source(path, "txt", compressed=path.suffix == ".gz")


def lines_of(path: Path, limits: Limits = TABLE, encoding: str = "utf-8") -> Iterator[Line]:
    """The lines one by one. :class:`DataError` names the file, and the line where one is wrong."""
    return decoded_lines(file_source(path), NoneBad(), limits, encoding)


def read_lines(path: Path) -> list[str]:
    """All lines of a UTF-8 file, split at line feeds only: some sentences hold other separators."""
    return [line.text for line in lines_of(path)]


def read_lines_of_any_age(path: Path) -> Lines:
    """All lines of a file that some copies have in UTF-8 and others in latin-1, as it was made.

    UTF-8 is tried first: latin-1 reads any bytes, and would turn the letters of a UTF-8 copy into pairs of others.
    """
    try:
        return Lines(read_lines(path), "utf-8")
    except BadLine as error:
        if error.record.reason != "invalid UTF-8":
            raise
    logger.info("%s is not UTF-8 text; it is read as latin-1, as SentEval reads it", path)
    return Lines([line.text for line in lines_of(path, encoding="latin-1")], "latin-1")
