"""What a bulk encoding is cut into: blocks of rows of one file, each known by its content, each made a file of its own.

    rows of a file -> blocks of at most ``rows_per_block`` rows -> FOLDER/00003-000012-KEY.parquet

The third file's twelfth block (both counted from 0) begins where the eleventh ends, so the same input is always cut in
the same places. KEY is a hash of everything that the vectors depend on: the rows, the model and the options. A file
under that name is either what this block gives or damaged; it never belongs to an earlier state of the input.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import Row, read_rows
from contrapose.data.sources import Source
from contrapose.storage.durable import atomic_file, sha256_file
from contrapose.use.rows import TextEncoder, check_vectors, in_chunks, text_of

#: Rows of a block: minutes of work on a processor, seconds on a GPU. It is what a kill can cost each worker.
ROWS_PER_BLOCK = 65_536

#: Characters after which a block ends whatever its number of rows.
CHARACTERS_PER_BLOCK = 64_000_000

#: Rows encoded, and written as one row group, at a time.
ROWS_PER_GROUP = 8_192

NAME = re.compile(r"\d{5,}-\d{6,}-[0-9a-f]{16}\.parquet")
_NUMBERS = re.compile(r"(\d{5,})-(\d{6,})-")


@dataclass(frozen=True, kw_only=True)
class EncodeOptions:
    """What vectors depend on beside model and rows, and what is written with them."""

    normalize: bool = True
    precision: str = "fp32"
    columns: tuple[str, ...] | None = None
    text: bool = True
    rows_per_block: int = ROWS_PER_BLOCK


@dataclass(frozen=True)
class Block:
    """Some rows in a row of one file, and the name of the file that their vectors get."""

    name: str
    rows: list[Row]


@dataclass(frozen=True, kw_only=True)
class BlockRecord:
    """A block's file as it was written. lines: the first and the last, counted from 1 as in the source."""

    name: str
    file: str
    first_line: int
    last_line: int
    rows: int
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def cut(
    source: Source, number: int, key: str, options: EncodeOptions, quarantine: Quarantine
) -> Iterator[Block]:
    """The blocks of one file, in order. number: of the file in the input; key: of model and options.

    Raises what :func:`contrapose.data.readers.read_rows` raises, and :class:`UsageError` for several texts per row.
    """
    assert source.path is not None
    rows = read_rows([source.path], columns=options.columns, quarantine=quarantine)
    for index, chunk in enumerate(in_chunks(rows, options.rows_per_block, CHARACTERS_PER_BLOCK)):
        yield Block(f"{number:05}-{index:06}-{_digest_of(chunk, key)}.parquet", chunk)


def order(name: str) -> tuple[int, int]:
    """Where a block stands: the number of its file, and its own in it.

    >>> order("00003-000012-0123456789abcdef.parquet")
    (3, 12)
    """
    match = _NUMBERS.match(name)
    assert match is not None
    return int(match[1]), int(match[2])


def write_block(
    encoder: TextEncoder,
    block: Block,
    folder: Path,
    options: EncodeOptions,
    *,
    about: str = "",
    advanced: Callable[[int], object] | None = None,
) -> BlockRecord:
    """Encode a block and write its file, whole or not at all. Memory is that of one row group.

    about: JSON that the file carries as the value of "contrapose" in its metadata. Raises :class:`ModelError` for a
    vector that is not finite, :class:`StorageError`.
    """
    path, rows = folder / block.name, block.rows
    with atomic_file(path) as file:
        _write(file, encoder, rows, options, about, advanced)
    return BlockRecord(
        name=block.name,
        file=rows[0].file,
        first_line=rows[0].line,
        last_line=rows[-1].line,
        rows=len(rows),
        size=path.stat().st_size,
        sha256=sha256_file(path),
    )


def _write(
    file: Any,
    encoder: TextEncoder,
    rows: Sequence[Row],
    options: EncodeOptions,
    about: str,
    advanced: Callable[[int], object] | None,
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    fields = [("file", pa.string()), ("line", pa.int64())]
    fields += [("text", pa.string())] if options.text else []
    fields += [("embedding", pa.list_(pa.float32(), encoder.width))]
    schema = pa.schema(fields, metadata={"contrapose": about} if about else None)
    with parquet.ParquetWriter(file, schema, use_dictionary=["file", "text"]) as writer:
        for start in range(0, len(rows), ROWS_PER_GROUP):
            part = rows[start : start + ROWS_PER_GROUP]
            texts = [text_of(row) for row in part]
            vectors_ND = encoder.encode(
                texts, normalize=options.normalize, precision=options.precision, progress=advanced
            )
            check_vectors(vectors_ND, part, options.precision)
            numbers = pa.array(np.ascontiguousarray(vectors_ND, dtype=np.float32).ravel())
            columns = {
                "file": pa.array([row.file for row in part], pa.string()),
                "line": pa.array([row.line for row in part], pa.int64()),
                "text": pa.array(texts, pa.string()) if options.text else None,
                "embedding": pa.FixedSizeListArray.from_arrays(numbers, encoder.width),
            }
            writer.write_table(pa.table([columns[name] for name in schema.names], schema=schema))


def key_of(model: str, options: EncodeOptions) -> str:
    """A hash of a model's fingerprint and the options: equal where equal rows get equal files."""
    text = json.dumps(["contrapose blocks 1", model, asdict(options)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(rows: Sequence[Row], key: str) -> str:
    """Over every row's place and text; the length before a text keeps rows apart."""
    digest = hashlib.sha256(f"{key}\n{rows[0].file}\n".encode("utf-8", "surrogateescape"))
    for row in rows:
        content = text_of(row).encode("utf-8", "surrogatepass")
        digest.update(b"%d %d\n" % (row.line, len(content)))
        digest.update(content)
    return digest.hexdigest()[:16]
