"""Search by meaning and by words: names, numbers and rare words are found that an encoder blurs.

Order: the score, rounded to 6 decimals, then the row's number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contrapose.data.quarantine import Quarantine
from contrapose.errors import UsageError
from contrapose.evaluate.vectors import all_cosines
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import WORDS_WEIGHT, hybrid_scores
from contrapose.listening import Progress
from contrapose.use.rows import Sources, TextEncoder
from contrapose.use.search import DECIMALS, Hit, IndexedText, checked_queries, entries_with_vectors


def hybrid_search(
    encoder: TextEncoder,
    sources: Sources,
    queries: Sequence[str],
    top: int = 5,
    *,
    weight: float = WORDS_WEIGHT,
    columns: Sequence[str] | None = None,
    precision: str = "fp32",
    quarantine: Quarantine | None = None,
    progress: Progress = None,
) -> list[list[Hit]]:
    """The ``top`` hits of every query by cosine and BM25 together, see :func:`contrapose.lexical.hybrid.hybrid_scores`.

    weight: of the words. A score is a sum of standard deviations over the corpus, so that one is comparable with others
    of its query only. All texts are held in memory, since how rare a word is is known at the end; the vectors are
    not. The rest as :func:`contrapose.use.search.search`.
    """
    queries = checked_queries(queries)
    if top < 1:
        raise UsageError(f"top must be at least 1, got {top}")
    queries_QD = encoder.encode(queries, normalize=True, precision=precision, progress=None)
    entries: list[IndexedText] = []
    cosines = []
    for chunk, vectors_ND in entries_with_vectors(encoder, sources, columns, precision, quarantine, progress):
        entries += chunk
        cosines.append(all_cosines(queries_QD, vectors_ND))
    index = Bm25Index([entry.text for entry in entries])
    scores_QN = hybrid_scores(np.concatenate(cosines, axis=1), index.scores(queries), weight).round(DECIMALS)
    best_QK = np.argsort(-scores_QN, axis=1, kind="stable")[:, :top]
    return [
        [
            Hit(rank=rank, score=float(scores_N[row]), **entries[row]._asdict())
            for rank, row in enumerate(best_K.tolist(), 1)
        ]
        for best_K, scores_N in zip(best_QK, scores_QN, strict=True)
    ]
