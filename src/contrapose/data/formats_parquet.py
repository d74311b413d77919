"""Parquet: streamed batch by batch, its declared sizes checked before anything is unpacked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from contrapose.data.columns import LABEL, ColumnMapping, cell_text, map_columns, unmapped_columns
from contrapose.data.formats_text import Row
from contrapose.data.lines import BLOCK, DAMAGE, Limits, open_source
from contrapose.data.parquet_bounds import batch_rows, check_expansion, check_footer, check_sizes
from contrapose.data.parquet_pages import DamagedPage
from contrapose.data.quarantine import Quarantine
from contrapose.data.sources import Source
from contrapose.data.text import printable
from contrapose.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def read_parquet(
    source: Source,
    given: Sequence[str] | None,
    quarantine: Quarantine,
    limits: Limits,
    label: str | None = None,
) -> Iterator[Row]:
    """Rows of a parquet file, in order; only the columns needed are unpacked.

    A cell that is no text is quarantined with its row; a damaged row group counts as many bad rows as it declares and
    had not given yet. Raises :class:`DataError` for a file that is not parquet or declares more than the limits allow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _seekable(source, limits) as handle:
            check_footer(handle, source, limits)
            try:
                file = pq.ParquetFile(handle, buffer_size=BLOCK, pre_buffer=False)
            except (pa.ArrowException, OSError) as error:
                raise DataError(
                    f"{source.shown} is not a readable parquet file: {_first_line(error)}"
                ) from None
            mapping = _mapping(file, source, given, limits, label)
            check_sizes(file, mapping, source, limits)
            lists = [key for key in mapping.keys if _is_list_of_text(file.schema_arrow.field(key).type)]
            if lists:
                file = _with_numbered_lists(handle, file, lists)
            yield from _row_groups(handle, file, mapping, source, quarantine, limits)
    except OSError as error:
        raise DataError(f"cannot read {source.shown}: {error.strerror or _first_line(error)}") from None


def parquet_layout(
    source: Source, given: Sequence[str] | None, limits: Limits
) -> tuple[tuple[str, ...], list[int]]:
    """The columns of texts of a file, and the number of rows of each of its row groups, by its footer alone.

    Raises :class:`DataError` as :func:`read_parquet` does, and for texts in lists, whose rows cannot be read alone.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_source(source, limits) as handle:
            check_footer(handle, source, limits)
            file = pq.ParquetFile(handle, pre_buffer=False)
            mapping = _mapping(file, source, given, limits, None)
            check_sizes(file, mapping, source, limits)
            metadata, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{source.shown} is not a readable parquet file: {_first_line(error)}") from None
    if lists := [key for key in mapping.keys if _is_list_of_text(schema.field(key).type)]:
        raise DataError(
            f"{source.shown}: column {printable(lists[0], 40)} holds lists of texts, which are not used where they "
            "lie: leave --in-place out, or write one text per cell"
        )
    return mapping.keys, [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


@contextmanager
def _seekable(source: Source, limits: Limits) -> Iterator[BinaryIO]:
    """The uncompressed file; a .gz is unpacked into a temporary file, since parquet is read from its end."""
    if not source.compressed:
        with open_source(source, limits) as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as unpacked:
        try:
            with open_source(source, limits) as stream:
                shutil.copyfileobj(stream, unpacked, BLOCK)
        except DAMAGE as error:
            raise DataError(
                f"{source.shown} is damaged gzip data, and parquet cannot be read in part: {error}"
            ) from None
        yield unpacked


def _mapping(
    file: pq.ParquetFile, source: Source, given: Sequence[str] | None, limits: Limits, label: str | None
) -> ColumnMapping:
    schema = file.schema_arrow
    if len(schema) > limits.max_columns:
        raise DataError(
            f"{source.shown} has {len(schema):,} columns; at most {limits.max_columns:,} are read"
        )
    textual = [field.name for field in schema if _is_text(field.type)]
    mapping = map_columns(schema.names, given, textual, label)
    if mapping is None:
        raise unmapped_columns(source.shown, schema.names, given, label)
    for role, key in zip(mapping.names, mapping.keys, strict=True):
        if schema.names.count(key) > 1:
            raise DataError(f"{source.shown} has several columns named {printable(key, 40)}")
        kind = schema.field(key).type
        if role == LABEL and _is_whole_number(kind):
            continue
        if not (_is_text(kind) or (role not in ("text", "anchor", LABEL) and _is_list_of_text(kind))):
            raise DataError(
                f"{source.shown}: column {printable(key, 40)} holds {printable(kind, 60)}, not texts"
            )
    return mapping


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_whole_number(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(kind) or types.is_boolean(kind))


def _is_list_of_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool((types.is_list(kind) or types.is_large_list(kind)) and _is_text(kind.value_type))


def _with_numbered_lists(handle: BinaryIO, file: pq.ParquetFile, lists: Sequence[str]) -> pq.ParquetFile:
    """The file read so that texts in lists stay numbers of a dictionary: a row may hold any number of them."""
    import pyarrow.parquet as pq

    paths = [file.schema.column(index).path for index in range(len(file.schema))]
    leaves = [path for path in paths if path.split(".")[0] in lists]
    return pq.ParquetFile(
        handle, metadata=file.metadata, read_dictionary=leaves, buffer_size=BLOCK, pre_buffer=False
    )


def _row_groups(
    handle: BinaryIO,
    file: pq.ParquetFile,
    mapping: ColumnMapping,
    source: Source,
    quarantine: Quarantine,
    limits: Limits,
) -> Iterator[Row]:
    import pyarrow as pa

    before = unpacked = 0
    name = source.name
    for group in range(file.metadata.num_row_groups):
        declared, given_rows = file.metadata.row_group(group).num_rows, 0
        try:
            num_rows = batch_rows(handle, file.metadata.row_group(group), mapping, source, limits)
            batches = file.iter_batches(num_rows, [group], columns=list(mapping.keys), use_threads=False)
            for batch in batches:
                unpacked += batch.nbytes
                check_expansion(unpacked, handle, source, limits)
                cells = [_cells(batch.column(batch.schema.get_field_index(key))) for key in mapping.keys]
                for row in zip(*cells, strict=True):
                    given_rows += 1
                    texts = _texts(row, mapping, name, before + given_rows, quarantine, limits)
                    if texts is not None:
                        yield Row(texts, name, before + given_rows, mapping.names)
        except (pa.ArrowException, DamagedPage, OSError) as error:
            lost = max(1, declared - given_rows)
            detail = f"row group {group}: {_first_line(error)}"
            quarantine.reject(
                source.name, before + given_rows + 1, None, "damaged parquet data", detail, rows=lost
            )
        before += declared


def _cells(column: Any) -> list[Any]:
    """The values of a column; a value that is not UTF-8 becomes the error that says so."""
    import pyarrow.types as types

    if types.is_list(column.type) or types.is_large_list(column.type):
        return _first_of_lists(column)
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_cell(value) for value in column]


def _first_of_lists(column: Any) -> list[Any]:
    """Of each list the first text, which is the one that counts; the others are not unpacked."""
    offsets = column.offsets.to_pylist()
    return [
        ([_cell(column.values[first])] if first < after else []) if row.is_valid else None
        for row, first, after in zip(column, offsets, offsets[1:], strict=False)
    ]


def _cell(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        return error


def _texts(
    row: tuple[Any, ...],
    mapping: ColumnMapping,
    name: str,
    number: int,
    quarantine: Quarantine,
    limits: Limits,
) -> tuple[str, ...] | None:
    texts = []
    for role, key, value in zip(mapping.names, mapping.keys, row, strict=True):
        if isinstance(value[0] if isinstance(value, list) and value else value, UnicodeDecodeError):
            quarantine.reject(name, number, None, "invalid UTF-8", f"in {key}")
            return None
        text, wrong = cell_text(value, role)
        if wrong:
            quarantine.reject(name, number, None, "wrong type", f"{key} is {wrong}")
            return None
        if len(text) > limits.max_line_bytes:
            quarantine.reject(name, number, None, "line too long", f"{len(text):,} characters in {key}")
            return None
        texts.append(text)
    return tuple(texts)


def _first_line(error: BaseException) -> str:
    return printable(str(error).partition("\n")[0], 200)
