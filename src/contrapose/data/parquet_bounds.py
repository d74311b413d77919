"""What a parquet file may ask of the machine, judged by its footer and its page headers before it is unpacked."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from contrapose.data.columns import ColumnMapping
from contrapose.data.lines import Limits
from contrapose.data.parquet_pages import DELTA_BYTE_ARRAY, DICTIONARY_PAGE, pages_of
from contrapose.data.sources import Source
from contrapose.data.text import printable
from contrapose.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAGIC = b"PAR1"

#: Rows unpacked at a time: so many, or fewer where a short page may become this many bytes of text.
BATCH_ROWS, BATCH_BYTES = 512, 64 << 20


def check_footer(handle: BinaryIO, source: Source, limits: Limits) -> None:
    size = handle.seek(0, 2)
    handle.seek(max(0, size - 8))
    tail = handle.read(8)
    handle.seek(0)
    if len(tail) < 8 or tail[4:] != MAGIC:
        raise DataError(f"{source.shown} is not a parquet file, or it breaks off: its end mark is missing")
    (footer,) = struct.unpack("<I", tail[:4])
    if footer > size - 8:
        raise DataError(f"{source.shown} is damaged: its footer claims {footer:,} bytes of {size:,}")
    if footer > limits.max_footer_bytes:
        raise DataError(
            f"{source.shown} has a footer of {footer:,} bytes (limit {limits.max_footer_bytes:,}): too many columns "
            "or row groups. Write only the columns of text to a new file"
        )


def check_sizes(file: pq.ParquetFile, mapping: ColumnMapping, source: Source, limits: Limits) -> None:
    """Refuse what is declared too large before it is unpacked."""
    metadata = file.metadata
    if metadata.num_rows > limits.max_declared_rows:
        raise DataError(
            f"{source.shown} declares {metadata.num_rows:,} rows; at most {limits.max_declared_rows:,} are read "
            "from one file. Split it"
        )
    wanted = set(mapping.keys)
    for group_index in range(metadata.num_row_groups):
        group = metadata.row_group(group_index)
        for column_index in range(group.num_columns):
            chunk = group.column(column_index)
            size, packed = chunk.total_uncompressed_size, max(1, chunk.total_compressed_size)
            bomb = size > limits.free_expansion_bytes and size > limits.max_expansion * packed
            if bomb and chunk.path_in_schema.split(".")[0] in wanted:
                raise DataError(
                    f"{source.shown}: row group {group_index} grows from {packed:,} to {size:,} bytes when unpacked; "
                    "this is not how text compresses"
                )


def batch_rows(handle: BinaryIO, group: Any, mapping: ColumnMapping, source: Source, limits: Limits) -> int:
    """How many rows may be unpacked at once, by the headers of the pages of a row group.

    A value is no longer than its page, or than its dictionary's; by a dictionary, or by what it shares with the value
    before, it costs next to no bytes in the file. Raises :class:`DataError` for a page beyond all bounds, and
    :class:`DamagedPage`.
    """
    longest = 1
    for index in range(group.num_columns):
        chunk = group.column(index)
        if chunk.path_in_schema.split(".")[0] not in mapping.keys:
            continue
        is_list, num_values = "." in chunk.path_in_schema, 0
        for page in pages_of(handle, chunk):
            is_dictionary, is_delta = page.kind == DICTIONARY_PAGE, page.encoding == DELTA_BYTE_ARRAY
            num_values += 0 if is_dictionary else page.num_values
            if is_dictionary or is_delta:
                longest = max(longest, page.size)
            bomb = page.size > limits.free_expansion_bytes and page.size > limits.max_expansion * page.packed
            if bomb or page.size > limits.max_page_bytes:
                raise DataError(
                    f"{source.shown}: a page grows from {page.packed:,} to {page.size:,} bytes when unpacked; "
                    "this is not how text compresses"
                )
            if is_list and (is_delta or num_values > limits.max_list_values):
                wrong = "is delta encoded" if is_delta else f"has more than {limits.max_list_values:,} values"
                raise DataError(
                    f"{source.shown}: the list column {printable(chunk.path_in_schema, 60)} {wrong} in one row group; "
                    "so many texts in one row cannot be told from an attack. Write one text per cell"
                )
    return max(1, min(BATCH_ROWS, BATCH_BYTES // longest))


def check_expansion(unpacked: int, handle: BinaryIO, source: Source, limits: Limits) -> None:
    """The bound on the whole file: rows that cost no bytes could go on for ever."""
    if unpacked <= limits.free_expansion_bytes:
        return
    size = os.fstat(handle.fileno()).st_size
    if unpacked > limits.max_expansion * size:
        raise DataError(
            f"{source.shown} grows from {size:,} to more than {unpacked:,} bytes when unpacked; this is not how text "
            "compresses. If you trust it, write it as lines of text"
        )
