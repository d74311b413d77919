"""How far an embedding space has moved: the same texts, encoded before and after.

All look at directions only: every vector is first scaled to unit length. Row i of both sides is the same text; the
widths of the two sides may differ for :func:`linear_cka` and :func:`neighbours_kept`, which compare relations between
texts and not vectors with vectors.

Linear CKA: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited".
"""

from __future__ import annotations

from torch import Tensor

from contrapose.maths.nearest import nearest_others
from contrapose.maths.similarity import paired_cosine, unit


def shift(before_ND: Tensor, after_ND: Tensor) -> Tensor:
    """1 - mean cosine of each text with itself; 0 where nothing moved.

    >>> import torch
    >>> shift(torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor(0.5000)
    """
    return 1 - paired_cosine(before_ND, after_ND).mean()


def linear_cka(before_ND: Tensor, after_NE: Tensor) -> Tensor:
    """||Y'X||^2 / (||X'X|| ||Y'Y||), X and Y centred; 1 where they differ by a rotation and a scale. NaN for one point.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> round(float(linear_cka(x, x.flip(1))), 4)
    1.0
    """
    x_ND, y_NE = (_centred(side) for side in (before_ND, after_NE))
    shared = (y_NE.T @ x_ND).square().sum()
    alone = (x_ND.T @ x_ND).norm() * (y_NE.T @ y_NE).norm()
    similarity: Tensor = shared / alone
    return similarity.to(before_ND.dtype)


def neighbours_kept(before_ND: Tensor, after_NE: Tensor, k: int = 10) -> Tensor:
    """The share of the k nearest other texts that are the same after as before, mean over texts.

    k is cut to the number of other texts. Fewer than two texts give NaN.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> neighbours_kept(x, x, k=1), neighbours_kept(x, x[[0, 2, 1, 3]], k=1)
    (tensor(1.), tensor(0.))
    """
    k = min(k, len(before_ND) - 1)
    if k < 1:
        return before_ND.new_full((), float("nan"))
    nearest_before, nearest_after = (nearest_others(side, k).rows_QK for side in (before_ND, after_NE))
    same_NKK = nearest_before[:, :, None] == nearest_after[:, None, :]
    share: Tensor = same_NKK.any(2).to(before_ND.dtype).mean()
    return share


def _centred(side_ND: Tensor) -> Tensor:
    unit_ND = unit(side_ND).double()
    return unit_ND - unit_ND.mean(0)
