"""Between the pretrained model and the trained encoder: weights interpolated linearly.

    w(share) = (1 - share) * w_start + share * w_trained

Half way there is often better than either: what training gained is kept, and of what it damaged half is undone
(Wortsman et al. 2022, https://arxiv.org/abs/2109.01903). One encoder must be a training of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from contrapose.errors import UsageError
from contrapose.selection.budget import SHARES

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder
    from contrapose.selection.criterion import Criterion


def blended(
    pretrained: Mapping[str, Tensor], trained: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Weights with ``share`` of the trained ones; whole numbers (positions, counters) are the trained ones'.

    Shares 0 and 1 are the pretrained and the trained encoder to the bit, whole numbers and the signs of zeros too: the
    pretrained model must keep its fingerprint, and the trained encoder was looked at already.

    Raises :class:`UsageError` for a share outside [0, 1] and for weights that do not fit each other.

    >>> import torch
    >>> blended({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)["w"].tolist()
    [0.25, 0.25]
    """
    if not 0 <= share <= 1:
        raise UsageError(
            f"a blend takes a share between 0 (the pretrained model) and 1 (the trained encoder), not {share}"
        )
    if {name: w.shape for name, w in pretrained.items()} != {name: w.shape for name, w in trained.items()}:
        raise UsageError(
            "the two encoders have different weights: only a training of the pretrained model can be blended"
        )
    if share in (0, 1):
        end = trained if share else pretrained
        return {name: end[name].to(w.device, w.dtype, copy=True) for name, w in trained.items()}
    return {
        name: pretrained[name].to(w.device, w.dtype).lerp(w, share) if w.is_floating_point() else w.clone()
        for name, w in trained.items()
    }


def blend(encoder: Encoder, pretrained: Mapping[str, Tensor], share: float) -> None:
    """Give the trained ``encoder`` the blended weights. Share 1 leaves it as it is, to the bit."""
    if share < 1:
        encoder.load_state_dict(blended(pretrained, encoder.state_dict(), share))


def best_share(
    encoder: Encoder,
    pretrained: Mapping[str, Tensor],
    criterion: Criterion,
    precision: str,
    shares: Sequence[float] = SHARES,
) -> tuple[float, dict[str, float]]:
    """The share of ``shares`` with the best score, and all scores; of equals the largest. Changes no weight."""
    trained = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    scores = {}
    for share in shares:
        encoder.load_state_dict(blended(pretrained, trained, share))
        with encoder.in_mode(training=False):
            measured = criterion.measure(encoder, precision, brief=0 < share < 1)
        scores[f"{share:g}"] = measured["score"]
    encoder.load_state_dict(trained)
    return max(shares, key=lambda share: (scores[f"{share:g}"], share)), scores
