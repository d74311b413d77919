"""HNCSE: the hardest negative makes a better positive (PM), and hard negatives make harder ones (HNM).

    PM    loss_i = -log  exp(cos(a_i, s_i)/t) / sum_j exp(cos(a_i, s_j)/t),     s_i = (1 - l_i) u_i + l_i u_h(i)
    HNM   loss_i = -log  exp(c_ii/t) / ( sum_j exp(c_ij/t) + sum_p exp(cos(a_i, g_ip)/t) )

a is the anchor, u the unit positive, h(i) the hardest in-batch negative of row i, l_i its share, g_ip the synthetic
negatives of row i. The equation is SimCSE's; the papers' ideas are two parts, which any method can use:
``mixed-positive`` (see positives/mixing.py for l_i) and ``mixed-negatives`` (see negatives/mixing.py for g_ip).
``hncse`` uses both; h(i) and the parents of g are then chosen among the unmixed positives.

"HNCSE: Advancing Sentence Embeddings via Hybrid Contrastive Learning with Hard Negatives" 2024;
https://arxiv.org/abs/2411.12156

The published code of PM does not parse and does not import, searches 2,000 pairs of weights per step and then uses the
last one tried; the parts state what we do instead.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

_PAPER = "2024, HNCSE: Advancing Sentence Embeddings via Hybrid Contrastive Learning with Hard Negatives"
_REFERENCE = "https://arxiv.org/abs/2411.12156"
_PM_DEPARTURES = (
    "mixes unit vectors (the code mixes raw projector outputs; raw_vectors=True does)",
    "the mixing share carries no gradient (the code's has one, through the cosines it is made of)",
    "the mixing share follows the similarities by default; the code's search throws its result away",
    "near_mode='search' is the intended search, on a grid of one angle: only the ratio of the two weights matters; "
    "a tie ranks above the positive, and repeats of the anchor's text count neither in rank nor in margin",
    "the share is 0 where a cosine it is made of is not positive",
)
_HNM_DEPARTURES = (
    "mixes unit vectors (the code mixes raw projector outputs, so longer vectors dominate; raw_vectors=True does)",
    "k is clamped to what the pool holds (the code fails on batches of 9 and fewer, and in one of 10 a row's own "
    "positive becomes a parent)",
    "repeats of the anchor's text are no parents; a pool of past batches is there as pool='queue'",
)

METHODS = (
    Method(
        name="hncse-pm",
        idea="Positive mixing: where the hardest negative is nearly as close, mix it into the positive.",
        paper=_PAPER,
        reference=_REFERENCE,
        objective=simcse,
        parts=("mixed-positive",),
        departures=_PM_DEPARTURES,
    ),
    Method(
        name="hncse-hnm",
        idea="Hard negative mixing: pairs of the k hardest negatives are mixed into synthetic, harder ones.",
        paper=_PAPER,
        reference=_REFERENCE,
        objective=simcse,
        parts=("mixed-negatives",),
        departures=_HNM_DEPARTURES,
    ),
    Method(
        name="hncse",
        idea="Positive mixing and hard negative mixing together.",
        paper=_PAPER,
        reference=_REFERENCE,
        objective=simcse,
        parts=("mixed-positive", "mixed-negatives"),
        departures=(*_PM_DEPARTURES, *_HNM_DEPARTURES),
    ),
)
