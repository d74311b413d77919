"""From files to vectors, chunk by chunk: what bulk encoding and search over a corpus share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import Row, read_rows
from contrapose.errors import ModelError, UsageError
from contrapose.listening import Progress, listener_of

#: Characters after which a chunk ends whatever its number of rows, so that a corpus of long documents stays flat too.
CHARACTERS_PER_CHUNK = 16_000_000

Sources = Sequence[str | Path] | str | Path


class TextEncoder(Protocol):
    """What this package asks of an encoder; :class:`contrapose.encoder.encoder.Encoder` is one."""

    @property
    def width(self) -> int: ...

    def encode(
        self, texts: Sequence[str], *, normalize: bool, precision: str, progress: Any
    ) -> np.ndarray: ...


class Chunk(NamedTuple):
    """Some rows in a row, the number of the first (from 0), and their vectors (N, D)."""

    first_row: int
    rows: list[Row]
    vectors_ND: np.ndarray

    @property
    def texts(self) -> list[str]:
        return [text_of(row) for row in self.rows]


def text_of(row: Row) -> str:
    """The text of a single-text row; a blank line is the empty text."""
    return row.texts[0] if row.texts else ""


def encoded_chunks(
    encoder: TextEncoder,
    sources: Sources,
    *,
    quarantine: Quarantine,
    rows_per_chunk: int,
    columns: Sequence[str] | None = None,
    normalize: bool = True,
    precision: str = "fp32",
    progress: Progress = None,
) -> Iterator[Chunk]:
    """Every readable row with its vector, in order, at most ``rows_per_chunk`` at a time.

    Memory is that of one chunk. ``progress`` is a function called with the number of rows just encoded, or a
    Listener. Raises :class:`UsageError` for sources with several texts per row, :class:`ModelError` for a vector that
    is not finite, and what :func:`contrapose.data.readers.read_rows` raises.
    """
    first_row = 0
    listener = listener_of(progress)
    with listener.task("encoding", unit="row"):
        for rows in in_chunks(read_rows(sources, columns=columns, quarantine=quarantine), rows_per_chunk):
            texts = [text_of(row) for row in rows]
            vectors_ND = encoder.encode(
                texts, normalize=normalize, precision=precision, progress=listener.advance
            )
            check_vectors(vectors_ND, rows, precision)
            yield Chunk(first_row, rows, vectors_ND)
            first_row += len(rows)


def check_vectors(vectors_ND: np.ndarray, rows: Sequence[Row], precision: str) -> None:
    """Raise :class:`ModelError`, naming the first such row, for a vector that is not finite."""
    assert len(vectors_ND) == len(rows)
    finite_N = np.isfinite(vectors_ND).all(axis=1)
    if not finite_N.all():
        bad = rows[int(np.flatnonzero(~finite_N)[0])]
        raise ModelError(
            f"the model's vector for {bad.file} line {bad.line} is not finite. Its weights are damaged, or the "
            f"precision {precision} is too low for it: try fp32, then another checkpoint."
        )


def in_chunks(
    rows: Iterator[Row], rows_per_chunk: int, characters_per_chunk: int | None = None
) -> Iterator[list[Row]]:
    """Rows with one text, at most so many at a time. Raises :class:`UsageError` for several texts per row."""
    most = CHARACTERS_PER_CHUNK if characters_per_chunk is None else characters_per_chunk
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        if len(row.texts) > 1:
            raise UsageError(
                f"{row.file} has {len(row.texts)} texts per row ({', '.join(row.columns)}). "
                "Choose the one to encode: --columns NAME"
            )
        chunk.append(row)
        characters += len(text_of(row))
        if len(chunk) == rows_per_chunk or characters >= most:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
