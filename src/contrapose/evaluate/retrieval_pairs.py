"""Finding the partner: each query has one true target among all targets; where does exact cosine search rank it?

Rank 1 is best. A candidate whose text is the same as the true target's is as good as it: both count as hits, and the
better placed one gives the rank. Other candidates that score the same as the hit are counted ahead of it, so that an
encoder gains nothing by giving everything one vector (constant vectors rank the target last).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.vectors import unit_rows

#: Cosines of unit vectors closer than this are a tie: fp32 products of equal vectors differ by about 1e-7 with the
#: place in the table.
TIE = 1e-6


def pair_retrieval(
    queries_ND: np.ndarray,
    targets_MD: np.ndarray,
    *,
    true_target: np.ndarray | None = None,
    target_texts: Sequence[str] | None = None,
    ties: str = "worst",
) -> np.ndarray:
    """The rank (N,) fp64 of each query's true target among all M targets.

    true_target: (N,) the column that belongs to each query; default: query i belongs to target i.
    target_texts: M texts, to count candidates identical to the true target as hits.
    ties: "worst" counts tied candidates ahead of the target; "average" counts half of them.
    Exact, in blocks: memory O(N + M + block). Raises :class:`UsageError` for sizes that do not fit or NaN.

    >>> eye = np.eye(3, dtype=np.float32)
    >>> pair_retrieval(eye, eye).tolist(), pair_retrieval(np.ones((3, 2)), np.ones((3, 2))).tolist()
    ([1.0, 1.0, 1.0], [3.0, 3.0, 3.0])
    """
    from contrapose.maths.nearest import score_blocks

    if ties not in ("worst", "average"):
        raise UsageError(f"ties must be 'worst' or 'average', not {ties!r}")
    queries_ND, targets_MD = _unit(queries_ND, "queries"), _unit(targets_MD, "targets")
    num_queries, num_targets = len(queries_ND), len(targets_MD)
    true_N = np.arange(num_queries) if true_target is None else np.asarray(true_target, np.int64)
    if true_N.shape != (num_queries,) or (
        num_queries and not 0 <= true_N.min() <= true_N.max() < num_targets
    ):
        raise UsageError(f"each of {num_queries} queries needs one true target among {num_targets}")
    same_M = np.arange(num_targets) if target_texts is None else _groups(target_texts, num_targets)
    share_of_ties = 1.0 if ties == "worst" else 0.5
    ranks_N = np.empty(num_queries)
    for rows, cosine in score_blocks(queries_ND, targets_MD):
        hit = same_M[None, :] == same_M[true_N[rows], None]
        best_hit = np.max(cosine, axis=1, keepdims=True, where=hit, initial=-np.inf)
        ahead = (~hit & (cosine > best_hit + TIE)).sum(axis=1)
        tied = (~hit & (np.abs(cosine - best_hit) <= TIE)).sum(axis=1)
        ranks_N[rows] = 1 + ahead + share_of_ties * tied
    return ranks_N


def ranks_of_answers(encodings: Encodings, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """The rank (N,) of each question's right answer among the distinct answers; pairs: N of (question, answer).

    An answer that several questions share is one candidate.
    """
    row_of = {answer: row for row, answer in enumerate(dict.fromkeys(answer for _, answer in pairs))}
    right_N = np.array([row_of[answer] for _, answer in pairs])
    questions_ND = encodings.of([question for question, _ in pairs])
    return pair_retrieval(questions_ND, encodings.of(list(row_of)), true_target=right_N)


def mrr_at_10(ranks_N: np.ndarray) -> np.ndarray:
    """Per query: 1 / rank, or 0 beyond rank 10. Its mean is MRR@10.

    >>> mrr_at_10(np.array([1.0, 4.0, 11.0])).tolist()
    [1.0, 0.25, 0.0]
    """
    return reciprocal_rank(ranks_N, cutoff=10)


def accuracy_at_1(ranks_N: np.ndarray) -> np.ndarray:
    """Per query: 1 if the true target comes first, else 0. Its mean is accuracy@1.

    >>> accuracy_at_1(np.array([1.0, 1.5, 2.0])).tolist()
    [1.0, 0.0, 0.0]
    """
    return (np.asarray(ranks_N) <= 1).astype(np.float64)


def reciprocal_rank(ranks_N: np.ndarray, *, cutoff: float = np.inf) -> np.ndarray:
    """Per query: 1 / rank, or 0 beyond ``cutoff``."""
    ranks_N = np.asarray(ranks_N, np.float64)
    reciprocal_N: np.ndarray = np.where(ranks_N <= cutoff, 1 / ranks_N, 0.0)
    return reciprocal_N


def _unit(x_ND: np.ndarray, what: str) -> np.ndarray:
    x_ND = np.asarray(x_ND, np.float32)
    if x_ND.ndim != 2 or not np.isfinite(x_ND).all():
        raise UsageError(f"{what} must be a table of finite vectors, one per row; got shape {x_ND.shape}")
    return unit_rows(x_ND)


def _groups(texts: Sequence[str], num_targets: int) -> np.ndarray:
    if len(texts) != num_targets:
        raise UsageError(f"{len(texts)} target texts for {num_targets} target vectors")
    first: dict[str, int] = {}
    return np.array([first.setdefault(text, row) for row, text in enumerate(texts)], np.int64)
