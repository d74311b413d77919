"""Who is near whom among the rows of a corpus: the search that retrieved negatives and sampled pairs share.

Exact, in blocks of queries, so memory holds the vectors (mapped from a file) and k numbers per row, never a table of
all rows against all. A row's own text is no neighbour of it, nor is a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from contrapose.contract import TextRows, first_texts
from contrapose.errors import MissingExtra, UsageError
from contrapose.maths.nearest import Nearest, among_candidates, nearest
from contrapose.seeds import derive
from contrapose.text.identity import text_hashes

#: Queries searched together.
ROWS_PER_BLOCK = 8_192
#: Candidates that FAISS is asked for beyond those that are wanted: it rounds, and equals have no order there.
SPARE = 8
#: More than a cosine of FAISS, a matrix product in fp32, is wrong by.
ROUNDING = 1e-5
#: Other rows that are drawn for a row before its neighbours in the corpus are tried one after another.
DRAWS = 4

NeighboursBy = Annotated[
    Literal["exact", "faiss"],
    Field(description="what searches: torch, or FAISS where it is installed; both find the same neighbours"),
]
RefreshNeighbours = Annotated[
    int,
    Field(
        ge=0,
        description="steps between two searches, each with the model as it is then; 0: once, before the first",
    ),
]


def check_neighbours(rows: int, neighbours: int, by: str, *, what: str) -> None:
    """Raise UsageError where a corpus has too few rows for so many neighbours each, or FAISS is not there.

    what: the option that says how many, for example "--set neighbours".
    """
    if by == "faiss" and find_spec("faiss") is None:
        raise MissingExtra("neighbours_by=faiss", "faiss", "faiss-cpu")
    if rows <= neighbours:
        raise UsageError(
            f"{what}={neighbours} asks for more neighbours than the corpus has: of {rows:,} rows to train on, each has "
            f"{rows - 1:,} others; give more text, or {what}={max(1, (rows - 1) // 2)}"
        )


def keys_of(corpus: TextRows, rows_N: np.ndarray) -> np.ndarray:
    """(N,) int64, equal for rows of equal text. Raises UsageError where all rows say the same."""
    keys_N = np.concatenate([text_hashes(texts).numpy() for _, texts in first_texts(corpus, rows_N)])
    if (keys_N == keys_N[0]).all():
        raise UsageError(f"all {len(rows_N):,} rows to train on have one text: there is no other to retrieve")
    return keys_N


def neighbours_in_blocks(
    vectors_ND: np.ndarray, keys_N: np.ndarray, k: int, *, by: str = "exact"
) -> Iterator[tuple[slice, Nearest]]:
    """(block of rows, their k nearest others): positions in ``vectors_ND``, -1 where there are no more, and cosines.

    keys_N: rows of an equal key are not others. by: "exact", or "faiss" (the optional package), whose candidates are
    scored and ordered anew, so that the neighbours are the same.

    >>> _, near = next(neighbours_in_blocks(np.float32([[1, 0], [1, 0.1], [0, 1]]), np.arange(3), 2))
    >>> near.rows_QK.tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    index = _faiss_index(vectors_ND) if by == "faiss" else None
    copies = int(np.unique(keys_N, return_counts=True)[1].max()) if len(keys_N) else 0
    for start in range(0, len(vectors_ND), ROWS_PER_BLOCK):
        block = slice(start, min(start + ROWS_PER_BLOCK, len(vectors_ND)))
        queries_QD, keys_Q = np.array(vectors_ND[block]), keys_N[block]
        if index is None:
            yield block, nearest(queries_QD, vectors_ND, k, query_keys_Q=keys_Q, row_keys_N=keys_N)
            continue
        width = min(len(vectors_ND), k + copies + SPARE)
        coarse_QW, numbers_QW = index.search(_unit(queries_QD), width)
        numbers_QW = np.where(keys_N[numbers_QW] == keys_Q[:, None], -1, numbers_QW)
        near = among_candidates(queries_QD, vectors_ND, numbers_QW, k)
        # A row that FAISS left out may be as near as the last that it gave: such queries are searched again.
        open_Q = coarse_QW[:, -1] + ROUNDING >= near.scores_QK[:, -1] if width < len(vectors_ND) else []
        if len(again := np.flatnonzero(open_Q)):
            exact = nearest(queries_QD[again], vectors_ND, k, query_keys_Q=keys_Q[again], row_keys_N=keys_N)
            near.rows_QK[again], near.scores_QK[again] = exact.rows_QK, exact.scores_QK
        yield block, near


def other_rows(
    keys_N: np.ndarray, positions_Q: np.ndarray, *, seed: int, path: Sequence[int | str]
) -> np.ndarray:
    """(Q,) positions drawn uniformly from all rows of another text than that of ``positions_Q``.

    Almost uniformly: where :data:`DRAWS` draws gave the own text each time, the next row of another text is taken.
    """
    rng = np.random.default_rng(derive(seed, *path))
    drawn_QX = rng.integers(len(keys_N), size=(len(positions_Q), DRAWS))
    other_QX = keys_N[drawn_QX] != keys_N[positions_Q][:, None]
    chosen_Q: np.ndarray = drawn_QX[np.arange(len(positions_Q)), other_QX.argmax(1)]
    for query in np.flatnonzero(~other_QX.any(1)):
        others = np.flatnonzero(keys_N != keys_N[positions_Q[query]])
        chosen_Q[query] = others[np.searchsorted(others, chosen_Q[query]) % len(others)]
    return chosen_Q


def _faiss_index(vectors_ND: np.ndarray) -> Any:
    import faiss

    index = faiss.IndexFlatIP(vectors_ND.shape[1])
    for start in range(0, len(vectors_ND), ROWS_PER_BLOCK):
        index.add(_unit(np.array(vectors_ND[start : start + ROWS_PER_BLOCK])))
    return index


def _unit(vectors_QD: np.ndarray) -> np.ndarray:
    """Vectors of length 1, those of length 0 as they are; a cosine is then their product."""
    lengths_Q = np.linalg.norm(vectors_QD.astype(np.float64), axis=1, keepdims=True)
    unit_QD: np.ndarray = np.divide(vectors_QD, np.where(lengths_Q > 0, lengths_Q, 1)).astype(np.float32)
    return unit_QD
