"""Bulk encoding: any number of rows to a file of vectors, in order, with flat memory, whole or not at all.

``.npy``      a float32 array (rows, D), for ``numpy.load(path, mmap_mode="r")``
``.parquet``  columns ``text`` (string) and ``embedding`` (fixed-size list of D float32), one row group per chunk

Row i of the output is the i-th row that could be read, blank lines and repeats included. Rows that could not be read
have no vector; they are counted, and listed with file and line in a file beside the output.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from time import monotonic
from typing import Any, BinaryIO, cast

import numpy as np

from contrapose.data.quarantine import Quarantine
from contrapose.errors import EmptyCorpus, UsageError, nearest
from contrapose.listening import Progress
from contrapose.outputs import check_output, followed, output_file
from contrapose.storage import durable, syscalls
from contrapose.use.rows import Chunk, Sources, TextEncoder, encoded_chunks

#: Rows encoded, and written as one row group, at a time: 12 MB of vectors at width 384.
ROWS_PER_CHUNK = 8_192

#: Bytes of vectors kept in memory before they go to the disk; small jobs never write them twice.
SPOOLED_BYTES = 64 << 20

COPIED_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What :func:`bulk_encode` did. ``quarantine_file`` lists the rows without a vector; None where there are none."""

    rows: int
    width: int
    output: Path
    normalize: bool
    quarantined: int = 0
    reasons: dict[str, int]
    quarantine_file: Path | None = None
    notices: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """3 (partial) where rows were left out, else 0."""
        return 3 if self.quarantined else 0

    def lines(self) -> list[str]:
        """The summary lines for people."""
        length = "unit length" if self.normalize else "as pooled"
        lines = [f"{self.rows:,} rows of {self.width} float32 ({length}) in {self.output}"]
        if self.quarantined:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
            lines.append(
                f"{self.quarantined:,} rows could not be read and have no vector ({reasons}); "
                f"listed with file and line in {self.quarantine_file}"
            )
        return [*lines, *self.notices]

    def to_json(self) -> dict[str, Any]:
        """The summary for programs."""
        return {
            "rows": self.rows,
            "width": self.width,
            "output": str(self.output),
            "normalize": self.normalize,
            "quarantined": self.quarantined,
            "reasons": self.reasons,
            "quarantine_file": None if self.quarantine_file is None else str(self.quarantine_file),
            "notices": list(self.notices),
            "seconds": round(self.seconds, 3),
        }


def bulk_encode(
    encoder: TextEncoder,
    sources: Sources,
    output: str | Path,
    *,
    normalize: bool = True,
    precision: str = "fp32",
    columns: Sequence[str] | None = None,
    overwrite: bool = False,
    max_bad_share: float = 0.5,
    rows_per_chunk: int = ROWS_PER_CHUNK,
    progress: Progress = None,
) -> Summary:
    """Encode every row of ``sources`` into ``output``; see the module's docstring for the two formats.

    The output appears under its name when all rows are in it. If anything fails before, no file and no part of one
    is left, and with ``overwrite`` the old one is still there.

    normalize       unit vectors, so that a dot product is the cosine
    precision       "fp32" or "bf16"; the file holds float32 either way
    columns         the one column to encode, where a table has several
    overwrite       replace an existing output; else it is refused
    max_bad_share   above this share of unreadable rows the input is probably not what it seems
    progress        a function called with the number of rows just encoded, or a Listener

    Raises :class:`UsageError` (suffix, existing output, several texts per row), :class:`EmptyCorpus`,
    :class:`StorageError`, and the readers' errors.

    >>> import tempfile
    >>> class Lengths:
    ...     width = 1
    ...     def encode(self, texts, **options):
    ...         return np.array([[len(text)] for text in texts], dtype=np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("one\\nthree\\n")
    ...     summary = bulk_encode(Lengths(), [Path(folder, "a.txt")], Path(folder, "a.npy"))
    ...     np.load(Path(folder, "a.npy")).ravel().tolist(), summary.rows
    ([3.0, 5.0], 2)
    """
    output = Path(output)
    write = _writer(output)
    check_output(output, force=overwrite, option="--output")
    started = monotonic()
    quarantine = Quarantine(max_bad_share=max_bad_share)
    chunks = encoded_chunks(
        encoder,
        sources,
        quarantine=quarantine,
        rows_per_chunk=rows_per_chunk,
        columns=columns,
        normalize=normalize,
        precision=precision,
        progress=progress,
    )
    with output_file(output) as file:
        rows = write(file, chunks, encoder.width, output)
        if rows == 0:
            raise EmptyCorpus(_nothing_read(sources, quarantine))
    summary = Summary(
        rows=rows,
        width=encoder.width,
        output=output,
        normalize=normalize,
        quarantined=quarantine.bad,
        reasons=dict(quarantine.by_reason.most_common()),
        notices=tuple(quarantine.notices),
    )
    listed = _list_quarantined(output, quarantine)
    return replace(summary, quarantine_file=listed, seconds=monotonic() - started)


Writer = Callable[[BinaryIO, Iterator[Chunk], int, Path], int]


def _writer(output: Path) -> Writer:
    writers: dict[str, Writer] = {".npy": _write_npy, ".parquet": _write_parquet}
    suffix = output.suffix.lower()
    if suffix not in writers:
        hint = nearest(suffix, list(writers)) if suffix else ""
        raise UsageError(
            f"{output}: the output's name must end in .npy or .parquet, or in / for a folder{hint}"
        )
    return writers[suffix]


def _write_npy(file: BinaryIO, chunks: Iterator[Chunk], width: int, output: Path) -> int:
    """The header holds the number of rows, which is known last: the vectors wait in a nameless file beside it."""
    rows = 0
    with SpooledTemporaryFile(max_size=SPOOLED_BYTES, dir=str(followed(output).parent)) as spool:
        for chunk in chunks:
            with syscalls.reporting(output):
                spool.write(np.ascontiguousarray(chunk.vectors_ND, dtype="<f4").tobytes())
            rows += len(chunk.rows)
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        with syscalls.reporting(output):
            spool.seek(0)
            shutil.copyfileobj(cast("BinaryIO", spool), file, COPIED_BYTES)
    return rows


def _write_parquet(file: BinaryIO, chunks: Iterator[Chunk], width: int, output: Path) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([("text", pa.string()), ("embedding", pa.list_(pa.float32(), width))])
    rows = 0
    with parquet.ParquetWriter(file, schema, use_dictionary=["text"]) as writer:
        for chunk in chunks:
            numbers = pa.array(np.ascontiguousarray(chunk.vectors_ND, dtype=np.float32).ravel())
            embedding = pa.FixedSizeListArray.from_arrays(numbers, width)
            writer.write_table(pa.table([pa.array(chunk.texts, pa.string()), embedding], schema=schema))
            rows += len(chunk.rows)
    return rows


def _nothing_read(sources: Sources, quarantine: Quarantine) -> str:
    named = [sources] if isinstance(sources, str | Path) else sources
    lines = f"nothing to encode in {', '.join(str(name) for name in named)}"
    return lines + (f": none of its {quarantine.bad:,} rows can be read" if quarantine.bad else ": no rows")


def _list_quarantined(output: Path, quarantine: Quarantine) -> Path | None:
    """Write the list of rows without a vector, or take away the one that an overwritten output left."""
    path = output.with_name(output.name + ".quarantine.jsonl")
    if quarantine.bad:
        durable.write_text(path, "".join(f"{record.to_json()}\n" for record in quarantine.records))
        return path
    with syscalls.reporting(path, "delete"):
        syscalls.remove(path)
    return None
