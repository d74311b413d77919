"""From a file to its lines: streamed, bounded in every direction, bad lines quarantined one by one."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, cast

from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import Source
from contrapose.errors import DataError

BLOCK = 1 << 18
GZIP_MAGIC = b"\x1f\x8b\x08"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one input may ask of the machine. What is above is quarantined (a line) or refused (a file)."""

    #: Longest line, and longest csv record, in bytes: several hundred pages of text.
    max_line_bytes: int = 1_000_000
    #: Lines of one csv record; a quote that is never closed would else swallow the rest of the file.
    max_record_lines: int = 1_000
    #: Expanded bytes per compressed byte. Text compresses 3 to 10 times, repetitive logs up to 100, bombs 1,000.
    max_expansion: float = 200.0
    #: Expanded bytes up to which any ratio is accepted.
    free_expansion_bytes: int = 64 << 20
    #: Bytes of one file of lines, unpacked, whatever the ratio: an input without end is refused here at last.
    max_expanded_bytes: int = 1 << 40
    #: Columns of a table.
    max_columns: int = 10_000
    #: Rows that a parquet file may declare.
    max_declared_rows: int = 500_000_000
    #: Bytes of a parquet footer, which is held in memory as a whole.
    max_footer_bytes: int = 32 << 20
    #: Unpacked bytes of a parquet page; writers make pages of a megabyte.
    max_page_bytes: int = 256 << 20
    #: Values of a list column in one row group: a few bytes each, all of which may belong to one row.
    max_list_values: int = 32_000_000


DEFAULT_LIMITS = Limits()


class Line(NamedTuple):
    """A decoded line without its end; ``number`` counts from 1, ``byte_offset`` in the uncompressed file."""

    number: int
    byte_offset: int
    text: str


class _Counted:
    """A file that knows how many bytes were taken from it; standard input cannot tell."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw, self.taken = raw, 0

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        self.taken += len(data)
        return data

    def seekable(self) -> bool:
        return False


class _Expanded(io.RawIOBase):
    """The content of a gz file, refused as soon as it grows beyond its limits."""

    def __init__(self, raw: BinaryIO, limits: Limits, shown: str) -> None:
        self._compressed = _Counted(raw)
        self._content = gzip.GzipFile(fileobj=cast("BinaryIO", self._compressed))
        self._limits, self._shown, self._size = limits, shown, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        data = self._content.read1(len(buffer))
        buffer[: len(data)] = data
        self._size += len(data)
        limits = self._limits
        ratio = self._size / max(1, self._compressed.taken)
        bomb = self._size > limits.free_expansion_bytes and ratio > limits.max_expansion
        if bomb or self._size > limits.max_expanded_bytes:
            raise DataError(
                f"{self._shown} grows to more than {self._size >> 20:,} MiB when unpacked, {ratio:,.0f} times what "
                "was read of it; this is not how text compresses. If you trust it, unpack it first"
            )
        return len(data)


@contextmanager
def open_source(source: Source, limits: Limits = DEFAULT_LIMITS) -> Iterator[io.BufferedReader[Any]]:
    """The uncompressed bytes of a source. Standard input may be gz; it is recognised by its first bytes.

    Raises :class:`DataError` for a file that is not what its suffix says, or gz in gz; OSError, and one of
    :data:`DAMAGE` for gz data that is broken, here or in a later read.
    """
    if source.path is None:
        raw = _standard_input()
    else:
        raw = cast("io.BufferedReader[Any]", open(source.path, "rb", buffering=BLOCK))  # noqa: SIM115
    try:
        packed = raw.peek(3)[:3] == GZIP_MAGIC
        if source.compressed and not packed and raw.peek(1):
            raise DataError(f"{source.shown} is not gzip data, though its name ends in .gz")
        if packed and not source.compressed and source.path is not None:
            raise DataError(f"{source.shown} is gzip data: add .gz to its name")
        if not packed:
            yield raw
            return
        content = io.BufferedReader(_Expanded(raw, limits, source.shown), BLOCK)
        if content.peek(3)[:3] == GZIP_MAGIC:
            raise DataError(f"{source.shown} is gzip data inside gzip data: unpack it once")
        yield content
    finally:
        if source.path is not None:
            raw.close()


def _standard_input() -> io.BufferedReader[Any]:
    if sys.stdin is None or sys.stdin.closed:
        raise DataError("standard input is closed, so there is nothing to read from -")
    stream: Any = sys.stdin.buffer
    return stream if hasattr(stream, "peek") else io.BufferedReader(stream)


def decoded_lines(
    source: Source, quarantine: Quarantine, limits: Limits = DEFAULT_LIMITS, encoding: str = "utf-8"
) -> Iterator[Line]:
    """The lines of a text file, one at a time. Ends may be LF or CRLF; a byte order mark is dropped.

    A line that is too long or not in its encoding is quarantined and the next one is fine. A gz file that breaks off
    gives the lines before the break and one record. Memory: one line of at most ``limits.max_line_bytes``.
    """
    number = offset = 0
    try:
        with open_source(source, limits) as stream:
            _refuse_utf16(stream, source)
            while data := stream.readline(limits.max_line_bytes + 2):
                number, start = number + 1, offset
                offset += len(data)
                if len(data) > limits.max_line_bytes and not data.endswith(b"\n"):
                    detail = f"more than {limits.max_line_bytes:,} bytes"
                    quarantine.reject(source.name, number, start, "line too long", detail)
                    offset += _skip_line(stream, limits.max_expanded_bytes - offset)
                    data = b""
                if offset > limits.max_expanded_bytes:
                    raise DataError(
                        f"{source.shown} has more than {limits.max_expanded_bytes >> 20:,} MiB of text; so much is "
                        "not read from one file of this kind. Cut it into parts"
                    )
                if not data:
                    continue
                try:
                    text = data.decode(encoding).rstrip("\r\n")
                except UnicodeDecodeError as error:
                    detail = f"byte 0x{data[error.start]:02x} at {start + error.start}"
                    quarantine.reject(source.name, number, start, "invalid UTF-8", detail)
                    continue
                yield Line(number, start, text.removeprefix("\ufeff"))
    except DAMAGE as error:
        quarantine.reject(source.name, number + 1, offset, "damaged gzip data", _words(error))
    except OSError as error:
        raise DataError(f"cannot read {source.shown}: {error.strerror or error}") from None


def _words(error: BaseException) -> str:
    return "the file breaks off" if isinstance(error, EOFError) else str(error)


def _refuse_utf16(stream: io.BufferedReader[Any], source: Source) -> None:
    if stream.peek(2)[:2] in UTF16_MARKS:
        raise DataError(
            f"{source.shown} is UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8 OLD > NEW"
        )


def _skip_line(stream: io.BufferedReader[Any], most: int) -> int:
    """Read to the end of the line, or beyond ``most`` bytes, without keeping them; returns the bytes skipped."""
    skipped = 0
    while skipped <= most and (data := stream.readline(BLOCK)):
        skipped += len(data)
        if data.endswith(b"\n"):
            break
    return skipped
