"""Exact search: the rows of a corpus whose embeddings have the largest cosine with the query's.

Order: the score, which is the cosine rounded to 6 decimals, then the row's number. Rounding makes the order a rule
rather than an accident of the last bit: the same text in two places scores the same, and the earlier one comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from contrapose.data.quarantine import Quarantine
from contrapose.errors import EmptyCorpus, ModelError, UsageError
from contrapose.evaluate.vectors import unit_rows
from contrapose.listening import Progress
from contrapose.use.rows import Sources, TextEncoder, encoded_chunks, text_of

#: Rows scored, and in :func:`search` encoded, at a time: 77 MB of vectors at width 384.
ROWS_PER_CHUNK = 50_000

DECIMALS = 6


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One result. ``rank`` counts from 1; ``row`` from 0 over all readable rows; ``line`` from 1 in its ``file``."""

    rank: int
    score: float
    text: str
    row: int
    file: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class IndexedText(NamedTuple):
    """What an index keeps of a row beside its vector."""

    text: str
    row: int
    file: str | None = None
    line: int | None = None


class SearchIndex:
    """Vectors and their texts in memory, kept together, for many searches over one corpus.

    vectors_ND  (N, D); brought to unit length. A zero vector has cosine 0 with everything.
    entries     one per vector, or plain texts

    >>> class Letters:
    ...     width = 3
    ...     def encode(self, texts, **options):
    ...         return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
    >>> index = SearchIndex.of_texts(Letters(), ["aab", "ccc", "abb"])
    >>> [(hit.text, hit.score) for hit in index.search(["b"], top=2)[0]]
    [('abb', 0.894427), ('aab', 0.447214)]
    """

    def __init__(
        self,
        encoder: TextEncoder,
        vectors_ND: np.ndarray,
        entries: Sequence[IndexedText | str],
        *,
        precision: str = "fp32",
    ) -> None:
        if vectors_ND.shape != (len(entries), encoder.width):
            raise UsageError(
                f"the index got vectors of shape {vectors_ND.shape} for {len(entries)} texts and an encoder of width "
                f"{encoder.width}; expected {(len(entries), encoder.width)}"
            )
        if not np.isfinite(vectors_ND).all():
            raise ModelError("the index got vectors that are not finite. Check the model's weights")
        self.encoder, self.precision = encoder, precision
        self.vectors_ND = unit_rows(vectors_ND)
        self.entries = [
            IndexedText(entry, row) if isinstance(entry, str) else entry for row, entry in enumerate(entries)
        ]

    @classmethod
    def of_texts(cls, encoder: TextEncoder, texts: Sequence[str], *, precision: str = "fp32") -> SearchIndex:
        """Encode texts that are in memory already."""
        vectors_ND = encoder.encode(texts, normalize=True, precision=precision, progress=None)
        return cls(encoder, vectors_ND, list(texts), precision=precision)

    @classmethod
    def build(
        cls,
        encoder: TextEncoder,
        sources: Sources,
        *,
        columns: Sequence[str] | None = None,
        precision: str = "fp32",
        quarantine: Quarantine | None = None,
        progress: Progress = None,
    ) -> SearchIndex:
        """Encode the rows of files. Blank rows are left out; ``quarantine`` counts those that cannot be read."""
        chunks = list(entries_with_vectors(encoder, sources, columns, precision, quarantine, progress))
        entries = [entry for chunk, _ in chunks for entry in chunk]
        return cls(encoder, np.concatenate([vectors for _, vectors in chunks]), entries, precision=precision)

    def __len__(self) -> int:
        return len(self.entries)

    def search(self, queries: Sequence[str], top: int = 5) -> list[list[Hit]]:
        """The ``top`` hits of every query, fewer where the index is smaller."""
        queries = checked_queries(queries)
        return self.nearest(
            self.encoder.encode(queries, normalize=True, precision=self.precision, progress=None), top
        )

    def nearest(self, queries_QD: np.ndarray, top: int = 5) -> list[list[Hit]]:
        """:meth:`search` for queries that are vectors already, (Q, D) of any length."""
        best = Best(queries_QD, self.encoder.width, top)
        for start in range(0, len(self), ROWS_PER_CHUNK):
            chunk = slice(start, start + ROWS_PER_CHUNK)
            best.add(self.entries[chunk], self.vectors_ND[chunk])
        return best.hits()


def search(
    encoder: TextEncoder,
    sources: Sources,
    queries: Sequence[str],
    top: int = 5,
    *,
    columns: Sequence[str] | None = None,
    precision: str = "fp32",
    quarantine: Quarantine | None = None,
    progress: Progress = None,
) -> list[list[Hit]]:
    """The ``top`` hits of every query in the files, in one pass: memory is that of one chunk, whatever the corpus.

    Blank rows are never hits. Pass a ``quarantine`` to learn how many rows were read and how many could not be.
    ``progress`` is a function called with the number of rows just encoded, or a Listener. Raises
    :class:`UsageError` for an empty query and for ``top`` below 1, :class:`EmptyCorpus`, and the readers' errors.
    """
    queries = checked_queries(queries)
    queries_QD = encoder.encode(queries, normalize=True, precision=precision, progress=None)
    best = Best(queries_QD, encoder.width, top)
    for entries, vectors_ND in entries_with_vectors(
        encoder, sources, columns, precision, quarantine, progress
    ):
        best.add(entries, unit_rows(vectors_ND))
    return best.hits()


class Best:
    """The best rows of each query so far, over as many chunks as come."""

    def __init__(self, queries_QD: np.ndarray, width: int, top: int) -> None:
        if top < 1:
            raise UsageError(f"top must be at least 1, got {top}")
        if queries_QD.ndim != 2 or queries_QD.shape[1] != width:
            raise UsageError(f"queries have shape {queries_QD.shape}; this index needs (queries, {width})")
        if not np.isfinite(queries_QD).all():
            raise ModelError(
                "a query's vector is not finite, so it is near to nothing. Check the model's weights"
            )
        self.queries_QD, self.top = unit_rows(queries_QD), top
        self.best: list[list[tuple[float, IndexedText]]] = [[] for _ in queries_QD]

    def add(self, entries: Sequence[IndexedText], vectors_ND: np.ndarray) -> None:
        from contrapose.maths.nearest import nearest

        near = nearest(self.queries_QD, vectors_ND, self.top, measure="unit", decimals=DECIMALS)
        for query, (scores, rows) in enumerate(
            zip(near.scores_QK.tolist(), near.rows_QK.tolist(), strict=True)
        ):
            new = [
                (min(1.0, max(-1.0, score)), entries[row]) for score, row in zip(scores, rows, strict=True)
            ]
            merged = sorted([*self.best[query], *new], key=lambda hit: (-hit[0], hit[1].row))
            self.best[query] = merged[: self.top]

    def hits(self) -> list[list[Hit]]:
        return [
            [Hit(rank=rank, score=score, **entry._asdict()) for rank, (score, entry) in enumerate(best, 1)]
            for best in self.best
        ]


def checked_queries(queries: Sequence[str]) -> list[str]:
    """The queries as a list, or :class:`UsageError` for a bare string, none at all, or a blank one."""
    if isinstance(queries, str):
        raise UsageError("queries is a list of texts: write [query]")
    if not queries:
        raise UsageError("no query was given")
    for number, query in enumerate(queries, 1):
        if not query.strip():
            raise UsageError(f"query {number} is empty; write what to look for")
    return list(queries)


def entries_with_vectors(
    encoder: TextEncoder,
    sources: Sources,
    columns: Sequence[str] | None,
    precision: str,
    quarantine: Quarantine | None,
    progress: Progress,
) -> Iterable[tuple[list[IndexedText], np.ndarray]]:
    chunks = encoded_chunks(
        encoder,
        sources,
        quarantine=quarantine or Quarantine(),
        rows_per_chunk=ROWS_PER_CHUNK,
        columns=columns,
        precision=precision,
        progress=progress,
    )
    any_row = False
    for chunk in chunks:
        kept = [number for number, row in enumerate(chunk.rows) if text_of(row).strip()]
        if kept:
            any_row = True
            rows = [(number, chunk.rows[number]) for number in kept]
            entries = [
                IndexedText(text_of(row), chunk.first_row + number, row.file, row.line)
                for number, row in rows
            ]
            yield entries, chunk.vectors_ND[kept]
    if not any_row:
        raise EmptyCorpus(_no_text(sources))


def _no_text(sources: Sources) -> str:
    named = ", ".join(map(str, sources)) if isinstance(sources, list | tuple) else str(sources)
    return f"nothing to search: no readable row with text in {named}"
