"""The sentences on a plane: principal components, t-SNE where its extra is installed, and groups with words.

Before and after are separate projections, each of its own space. The second is turned and mirrored onto the first
(orthogonal Procrustes), which changes no distance, so that a group is looked for where it was.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np

from contrapose.maths.k_means import k_means
from contrapose.report.neighbours import words
from contrapose.report.record import Group, Plane
from contrapose.seeds import derive, numpy_generator

logger = logging.getLogger(__name__)

#: Fewer sentences than this are too few for t-SNE.
FEWEST_ROWS = 20
GROUPS, ROWS_PER_GROUP = 6, 12
WORDS_OF_A_GROUP = 3


def planes(before_ND: np.ndarray | None, after_ND: np.ndarray) -> list[Plane]:
    """One plane per projection that is at hand."""
    made = [_plane("PCA", principal_components, before_ND, after_ND)]
    if len(after_ND) >= FEWEST_ROWS and find_spec("sklearn") is not None:
        made.append(_plane("t-SNE", _tsne, before_ND, after_ND))
    return made


def principal_components(x_ND: np.ndarray) -> tuple[np.ndarray, str]:
    """(N, 2) points along the two directions of largest variance, and the share of variance they hold, in words.

    >>> points, about = principal_components(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]]))
    >>> np.abs(points).round(1).tolist(), about
    ([[1.0, 0.0], [1.0, 0.0], [0.0, 0.5], [0.0, 0.5]], '100% of the variance')
    """
    centred_ND = x_ND.astype(np.float64) - x_ND.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred_ND, full_matrices=False)
    points = np.zeros((len(x_ND), 2))
    kept = min(2, len(scale))
    points[:, :kept] = left[:, :kept] * scale[:kept]
    total = float((scale**2).sum())
    share = float((scale[:2] ** 2).sum()) / total if total > 0 else 0.0
    return points, f"{100 * share:.0f}% of the variance"


def turned_onto(reference_N2: np.ndarray, points_N2: np.ndarray) -> np.ndarray:
    """``points_N2`` turned and mirrored to lie as near to ``reference_N2`` as a rigid motion allows, both centred.

    >>> square = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -2.0]])
    >>> bool(np.allclose(turned_onto(square, square[:, ::-1]), square))
    True
    """
    reference, points = reference_N2 - reference_N2.mean(axis=0), points_N2 - points_N2.mean(axis=0)
    left, _, right = np.linalg.svd(points.T @ reference)
    return np.asarray(points @ left @ right)


def groups_of(x_ND: np.ndarray, texts: Sequence[str]) -> tuple[list[Group], np.ndarray]:
    """Groups by k-means on unit vectors, largest first, and the group (N,) of each row; few rows are one group."""
    count = min(GROUPS, len(x_ND) // ROWS_PER_GROUP)
    if count < 2:
        return [], np.zeros(len(x_ND), np.int64)
    group_N = k_means(x_ND.astype(np.float64), count, derive(0, "groups"))
    order = [group for group, _ in Counter(group_N.tolist()).most_common()]
    group_N = np.array([order.index(group) for group in group_N.tolist()], np.int64)
    return [
        Group(words=_telling_words(texts, group_N == group), size=int((group_N == group).sum()))
        for group in range(len(order))
    ], group_N


def _plane(
    name: str,
    project: Callable[[np.ndarray], tuple[np.ndarray, str]],
    before_ND: np.ndarray | None,
    after_ND: np.ndarray,
) -> Plane:
    after, about = project(after_ND)
    if before_ND is None:
        return Plane(method=name, before=None, after=_pairs(after - after.mean(axis=0)), about=about)
    before, about_before = project(before_ND)
    before = before - before.mean(axis=0)
    about_both = about if about == about_before else f"before {about_before}, after {about}"
    return Plane(
        method=name, before=_pairs(before), after=_pairs(turned_onto(before, after)), about=about_both
    )


def _tsne(x_ND: np.ndarray) -> tuple[np.ndarray, str]:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(x_ND) - 1) / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = TSNE(
            perplexity=perplexity, metric="cosine", init=_start(x_ND), random_state=0
        ).fit_transform(x_ND)
    return np.asarray(points, np.float64), f"cosine distance, perplexity {perplexity:.0f}, seed 0"


def _start(x_ND: np.ndarray) -> np.ndarray:
    """Principal components, small and never all equal: where t-SNE begins, so that its picture repeats."""
    points, _ = principal_components(x_ND)
    scale = float(points[:, 0].std())
    noise = numpy_generator(0, "t-sne").normal(size=points.shape)
    return ((points / scale if scale > 0 else points) * 1e-4 + noise * 1e-6).astype(np.float32)


def _telling_words(texts: Sequence[str], inside_N: np.ndarray) -> tuple[str, ...]:
    """Words of more than three letters that the texts inside use much more often than the others do."""
    inside: Counter[str] = Counter()
    outside: Counter[str] = Counter()
    for text, is_inside in zip(texts, inside_N.tolist(), strict=True):
        (inside if is_inside else outside).update({word for word in words(text) if len(word) > 3})
    size, rest = max(int(inside_N.sum()), 1), max(int((~inside_N).sum()), 1)

    def telling(word: str) -> tuple[float, str]:
        rate = inside[word] / size
        return -rate * math.log((rate + 0.01) / (outside[word] / rest + 0.01)), word

    return tuple(sorted((word for word in inside if inside[word] > 1), key=telling)[:WORDS_OF_A_GROUP])


def _pairs(points_N2: np.ndarray) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in points_N2)
