"""Choosing a checkpoint without labels, on rows that were held out of training.

Each held-out row gives two texts that belong together: where it is long enough, its first and its second half of
words. Their words differ, so bringing them together takes meaning, while two dropout views of the same words are
together from the start. The criterion is

    score = -(alignment + uniformity)          on the two views; see maths/geometry.py for both

texts that belong together near each other, all texts spread out: the two halves of what contrast optimises (Wang and
Isola 2020). Beside it stands retrieval: the mean reciprocal rank of the other half among those of all held-out rows.

Retrieval alone was the criterion first, and ranked a sensible run backwards: it falls while STS rises
(benchmarks/selection.py; docs/results/selection.jsonl). The sum was chosen on those same few checkpoints, so what it is
worth elsewhere is not yet known. Both reward topic, because halves of one text share their topic more than their
meaning: good for noticing that training goes wrong, worse than labelled pairs for choosing between good checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.retrieval_pairs import pair_retrieval, reciprocal_rank

#: Uniformity is 0 when all vectors are equal and about -4 when they are evenly spread (minilm on STS-B: -3.8). Above
#: this value cosines hardly tell sentences apart. Some untrained masked language models start above it.
COLLAPSED_UNIFORMITY = -0.5


@dataclass(frozen=True, kw_only=True)
class LabelFree:
    """score: what selection maximises, -(alignment + uniformity); 0 where all vectors are equal.

    collapsed: uniformity above the limit. It does not change the score, which falls by itself.
    """

    score: float
    retrieval_mrr: float
    uniformity: float
    alignment: float
    rows: int
    collapsed: bool


def label_free(first_ND: np.ndarray, second_ND: np.ndarray) -> LabelFree:
    """Score embeddings of two views of the same held-out rows; row i of both belongs together.

    Uniformity is taken over both views together. Raises :class:`UsageError` for fewer than two rows, unequal shapes
    or values that are not finite.

    >>> eye = np.eye(8, dtype=np.float32)
    >>> label_free(eye, eye).retrieval_mrr, label_free(np.ones((8, 4)), np.ones((8, 4))).collapsed
    (1.0, True)
    """
    import torch

    from contrapose.maths.geometry import alignment, uniformity

    first_ND, second_ND = np.asarray(first_ND, np.float32), np.asarray(second_ND, np.float32)
    if first_ND.shape != second_ND.shape or first_ND.ndim != 2 or len(first_ND) < 2:
        raise UsageError(
            f"the label-free criterion needs two views of at least two rows, got {first_ND.shape}, {second_ND.shape}"
        )
    ranks = np.concatenate([pair_retrieval(first_ND, second_ND), pair_retrieval(second_ND, first_ND)])
    mrr = float(reciprocal_rank(ranks).mean())
    first, second = torch.from_numpy(first_ND.copy()), torch.from_numpy(second_ND.copy())
    spread = float(uniformity(torch.cat([first, second])))
    closeness = float(alignment(first, second))
    return LabelFree(
        score=-(closeness + spread),
        retrieval_mrr=mrr,
        uniformity=spread,
        alignment=closeness,
        rows=len(first_ND),
        collapsed=spread > COLLAPSED_UNIFORMITY,
    )
