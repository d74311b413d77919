"""Rows that cannot be read: counted, written down with place and reason, never fatal alone, never silent."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import DataError, TooManyBadRows, UsageError

#: Records that are written down. Counting goes on after that; a broken file of millions of lines fills no disk.
MAX_RECORDS = 10_000

#: Rows to have seen before the share of bad ones means anything; it is checked again at the end.
CHECK_AFTER = 1_000

#: Bad rows quoted in messages.
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """One record of ``quarantine.jsonl``.

    ``line`` counts from 1 (for parquet: the row). ``byte_offset`` is where the line starts, in the uncompressed file;
    None where the format has no lines. ``rows`` is above 1 where a damaged block took several rows with it.
    """

    file: str
    line: int
    byte_offset: int | None
    reason: str
    detail: str = ""
    rows: int = 1

    def __str__(self) -> str:
        where = f"{printable(self.file)} line {self.line}"
        if self.byte_offset is not None:
            where += f" (byte {self.byte_offset})"
        return f"{where}: {self.reason}" + (f": {printable(self.detail)}" if self.detail else "")

    def to_json(self) -> str:
        """The record as one line of ASCII JSON, without its end."""
        record: dict[str, Any] = {"file": self.file, "line": self.line, "byte_offset": self.byte_offset}
        record["reason"] = self.reason + (f": {printable(self.detail)}" if self.detail else "")
        if self.rows != 1:
            record["rows"] = self.rows
        return json.dumps(record)


class Quarantine:
    """Counts good and bad rows while files are read, and stops the run when the bad ones are too many.

    With ``path``, every record is appended to that file as it comes; without, the records wait in :attr:`records`.
    Both hold at most ``max_records``; the counts are exact whatever the number.

    Raises :class:`TooManyBadRows` from :meth:`reject` (after ``check_after`` rows) or :meth:`finish` when more than
    ``max_bad_share`` of the rows are bad.

    >>> quarantine = Quarantine(max_bad_share=0.5)
    >>> quarantine.accept()
    >>> quarantine.reject("a.txt", 2, 17, "invalid UTF-8")
    >>> quarantine.read, quarantine.bad, dict(quarantine.by_reason)
    (2, 1, {'invalid UTF-8': 1})
    >>> print(quarantine.examples[0])
    a.txt line 2 (byte 17): invalid UTF-8
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        max_bad_share: float = 0.5,
        max_records: int = MAX_RECORDS,
        check_after: int = CHECK_AFTER,
    ) -> None:
        if not 0 <= max_bad_share <= 1:
            raise UsageError(f"max_bad_share is a share between 0 and 1, not {max_bad_share}")
        self.path = path
        self.max_bad_share = max_bad_share
        self.max_records = max_records
        self.check_after = check_after
        self.good = 0
        self.bad = 0
        self.by_reason: Counter[str] = Counter()
        self.records: list[BadRow] = []
        self.examples: list[BadRow] = []
        self.notices: list[str] = []
        self._written = 0

    @property
    def read(self) -> int:
        """Rows met so far, good and bad."""
        return self.good + self.bad

    def accept(self) -> None:
        """Count one row that could be read."""
        self.good += 1

    def reject(
        self, file: str, line: int, byte_offset: int | None, reason: str, detail: str = "", *, rows: int = 1
    ) -> None:
        """Count and write down one bad row. ``reason`` is one of a few fixed words, ``detail`` says what was seen."""
        self.bad += rows
        self.by_reason[reason] += rows
        record = BadRow(
            file=file, line=line, byte_offset=byte_offset, reason=reason, detail=detail, rows=rows
        )
        if len(self.examples) < EXAMPLES:
            self.examples.append(record)
        if self._written < self.max_records:
            self._written += 1
            self._write(record)
        if self.read >= self.check_after:
            self._check()

    def note(self, notice: str) -> None:
        """Keep something that whoever reads the statistics should know of a file that could be read."""
        self.notices.append(notice)

    def finish(self) -> None:
        """Check the share once more, now that every row was seen; short inputs are judged only here."""
        self._check()

    def _write(self, record: BadRow) -> None:
        if self.path is None:
            self.records.append(record)
            return
        from contrapose.storage import durable

        durable.append_line(self.path, record.to_json())

    def _check(self) -> None:
        if self.bad <= self.max_bad_share * self.read:
            return
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.by_reason.most_common())
        examples = "\n".join(f"  {example}" for example in self.examples)
        raise TooManyBadRows(
            f"{self.bad:,} of the first {self.read:,} rows cannot be read, more than the allowed share of "
            f"{self.max_bad_share:g}: {reasons}. For example:\n{examples}\n"
            "Check that the file is what its name says; to train on the readable rows, raise max_bad_share."
        )


class BadLine(DataError):
    """A row that cannot be read, where every row counts."""

    def __init__(self, record: BadRow) -> None:
        detail = f": {printable(record.detail)}" if record.detail else ""
        super().__init__(f"{printable(record.file, 300)}:{record.line}: {record.reason}{detail}")
        self.record = record


class NoneBad(Quarantine):
    """For data that is measured on: a row left out would change the number, so the first bad one is an error."""

    def reject(
        self, file: str, line: int, byte_offset: int | None, reason: str, detail: str = "", *, rows: int = 1
    ) -> None:
        """Raise :class:`BadLine`."""
        raise BadLine(
            BadRow(file=file, line=line, byte_offset=byte_offset, reason=reason, detail=detail, rows=rows)
        )
