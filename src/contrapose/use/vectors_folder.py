"""Vectors that are there already: a folder that ``contrapose encode -o FOLDER/`` made, read block by block.

Any reader of Parquet folders reads it too::

    import pyarrow.dataset
    table = pyarrow.dataset.dataset("vectors/").to_table(columns=["file", "line", "embedding"])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contrapose.data.text import printable
from contrapose.errors import CorruptFile, UsageError
from contrapose.evaluate.vectors import unit_rows
from contrapose.foreign import parse_json_object
from contrapose.paths import expanded
from contrapose.use.block_folder import OWN
from contrapose.use.blocks import NAME
from contrapose.use.encode_blocks import FingerprintedEncoder
from contrapose.use.search import Best, Hit, IndexedText, checked_queries

#: Rows read at a time.
ROWS_PER_BATCH = 8_192


class Batch(NamedTuple):
    """Some rows in a row: (N, D) vectors, and of each its file, its line from 1, and its text where it is kept."""

    files: list[str]
    lines: list[int]
    texts: list[str] | None
    vectors_ND: np.ndarray


@dataclass(frozen=True)
class VectorsFolder:
    """fingerprint: of the model that made the vectors; rows: how many there are; width: D; blocks: names in order."""

    folder: Path
    model: str
    fingerprint: str
    rows: int
    width: int
    has_text: bool
    blocks: tuple[str, ...]

    @classmethod
    def open(cls, folder: str | Path) -> VectorsFolder:
        """Raises :class:`UsageError` for a folder that is not whole yet, or none; :class:`CorruptFile`."""
        path = expanded(folder)
        manifest = path / OWN / "manifest.json"
        if not manifest.is_file():
            if (path / OWN / "plan.json").is_file():
                raise UsageError(
                    f"{folder} is not whole yet: give its `contrapose encode` again, which goes on where it was"
                )
            raise UsageError(f"{folder} is no folder that `contrapose encode -o FOLDER/` made")
        try:
            record = parse_json_object(manifest.read_bytes())
            names = tuple(str(block["name"]) for block in record["blocks"])
            if not all(NAME.fullmatch(name) for name in names):
                raise ValueError("a name in it is none of a block")
            return cls(
                folder=path,
                model=str(record["model"]),
                fingerprint=str(record["fingerprint"]),
                rows=int(record["rows"]),
                width=int(record["width"]),
                has_text=bool(record["options"]["text"]),
                blocks=names,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFile(
                f"{manifest} is damaged: {printable(error, 200)}. Give the `contrapose encode` of this folder again"
            ) from None

    def batches(self) -> Iterator[Batch]:
        """All rows in the order of the input. Raises :class:`CorruptFile` for a block that is missing or damaged."""
        import pyarrow as pa
        from pyarrow import parquet

        for name in self.blocks:
            path = self.folder / name
            try:
                with parquet.ParquetFile(path) as file:
                    for batch in file.iter_batches(ROWS_PER_BATCH):
                        yield self._batch(batch)
            except (pa.ArrowException, OSError, KeyError) as error:
                raise CorruptFile(
                    f"{path} is damaged or missing: {printable(str(error).partition(chr(10))[0], 200)}. Give the "
                    "`contrapose encode` of this folder again, which makes it anew"
                ) from None

    def vectors(self) -> np.ndarray:
        """All vectors as one (N, D) array in memory.

        Raises :class:`CorruptFile`, as :meth:`batches`.
        """
        table_ND = np.empty((self.rows, self.width), dtype=np.float32)
        start = 0
        for batch in self.batches():
            table_ND[start : start + len(batch.vectors_ND)] = batch.vectors_ND
            start += len(batch.vectors_ND)
        return table_ND

    def _batch(self, batch: Any) -> Batch:
        vectors_ND = batch["embedding"].flatten().to_numpy().reshape(-1, self.width)
        texts = batch["text"].to_pylist() if self.has_text else None
        return Batch(batch["file"].to_pylist(), batch["line"].to_pylist(), texts, vectors_ND)


def is_vectors_folder(path: str | Path) -> bool:
    """Whether a folder was made by ``contrapose encode -o FOLDER/``, whole or not."""
    return (Path(path) / OWN / "plan.json").is_file()


def search_folder(
    encoder: FingerprintedEncoder,
    folder: VectorsFolder,
    queries: Sequence[str],
    top: int = 5,
    *,
    precision: str = "fp32",
) -> list[list[Hit]]:
    """:func:`contrapose.use.search.search` over vectors that are there already: only the queries are encoded.

    Raises :class:`UsageError` where another model made the vectors, or the folder holds no text; and what
    :meth:`VectorsFolder.batches` raises.
    """
    queries = checked_queries(queries)
    if not folder.has_text:
        raise UsageError(
            f"{folder.folder} holds vectors without their texts (--no-text), so hits have no words"
        )
    if encoder.fingerprint() != folder.fingerprint:
        raise UsageError(
            f"{folder.folder} was encoded by another model ({printable(folder.model, 200)}, "
            f"{folder.fingerprint[:12]}): its vectors say nothing about this one's queries. Search with that model, or "
            "encode again"
        )
    best = Best(
        encoder.encode(queries, normalize=True, precision=precision, progress=None), folder.width, top
    )
    first = 0
    for batch in folder.batches():
        assert batch.texts is not None
        entries = [
            IndexedText(text, first + number, file, line)
            for number, (text, file, line) in enumerate(
                zip(batch.texts, batch.files, batch.lines, strict=True)
            )
        ]
        kept = [number for number, entry in enumerate(entries) if entry.text.strip()]
        if kept:
            best.add([entries[number] for number in kept], unit_rows(batch.vectors_ND[kept]))
        first += len(entries)
    return best.hits()
