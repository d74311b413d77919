"""The pages of a parquet column by their headers, which say how large each becomes before anything is unpacked.

A footer may say anything. What the reader allocates is said by the header before each page: its unpacked size, how many
values it holds and how they are encoded. The headers are structs of thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

#: Values in a page are written as they are, as numbers in a dictionary, or by what they share with the one before.
DICTIONARY_PAGE = 2
DELTA_BYTE_ARRAY = 7

#: Bytes of a header that are read at first, and at most: statistics in it may hold long texts.
_WINDOW, _LARGEST_HEADER = 1 << 12, 16 << 20
#: Structs and lists in one another; those of a page header are two deep.
_DEEPEST = 8


class Page(NamedTuple):
    """What a header says. ``kind``: 0 and 3 are data, 2 is a dictionary."""

    kind: int
    size: int
    packed: int
    num_values: int
    encoding: int


class DamagedPage(ValueError):
    """A header that is none."""


def pages_of(handle: BinaryIO, chunk: Any) -> Iterator[Page]:
    """The pages of a column chunk (of pyarrow's metadata), in order, as far as its reader goes.

    Raises :class:`DamagedPage`; OSError where the file cannot be read.
    """
    offset = chunk.data_page_offset
    if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < offset:
        offset = chunk.dictionary_page_offset
    end, seen = offset + chunk.total_compressed_size, 0
    while seen < chunk.num_values and offset < end:
        page, length = _read(handle, offset)
        if min(page.size, page.packed, page.num_values) < 0:
            raise DamagedPage("a page of negative size")
        yield page
        offset += length + page.packed
        seen += 0 if page.kind == DICTIONARY_PAGE else page.num_values


def _read(handle: BinaryIO, offset: int) -> tuple[Page, int]:
    """The page whose header begins at ``offset``, and the length of the header."""
    window = _WINDOW
    while True:
        handle.seek(offset)
        data = handle.read(window)
        reader = _Compact(data)
        try:
            header = reader.struct()
        except IndexError:
            if len(data) < window or window >= _LARGEST_HEADER:
                raise DamagedPage("a page header that does not end") from None
            window *= 16
            continue
        about: dict[int, Any] = next(
            (header[field] for field in (5, 7, 8) if isinstance(header.get(field), dict)), {}
        )
        encoding = about.get(4 if 8 in header else 2, 0)
        numbers = (header.get(1), header.get(2), header.get(3), about.get(1, 0), encoding)
        if not all(isinstance(number, int) for number in numbers):
            raise DamagedPage("a page header without sizes")
        return Page(*numbers), reader.position  # type: ignore[arg-type]


class _Compact:
    """Thrift's compact protocol, as much of it as says how long a struct is. IndexError where the bytes end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Field number -> whole number or struct; other fields are passed over."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = self._value(head & 15, depth, in_list=False)
        return fields

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if depth > _DEEPEST:
            raise DamagedPage("a page header nested too deeply")
        if kind in (1, 2):  # a truth value is in the field's own byte, and in a list a byte
            return self._byte() if in_list else kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._unsigned())
        if kind in (9, 10):
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 < 15 else self._unsigned()):
                self._value(head & 15, depth + 1, in_list=True)
            return None
        if kind == 12:
            return self.struct(depth + 1)
        raise DamagedPage(f"a page header with a field of kind {kind}")

    def _byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def _skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self.data):
            raise IndexError

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise DamagedPage("a page header with an endless number")

    def _signed(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
