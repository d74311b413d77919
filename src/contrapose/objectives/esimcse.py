"""ESimCSE: SimCSE whose positive has some words said twice, with a slow copy's past vectors as further negatives.

    L_i = -log  exp(c_ii / t) / ( sum_j exp(c_ij / t) + sum_m exp(cos(a_i, q_m) / t) )

    c_ij = cos(anchor_i, repeated text of row j);    q_m: the last ``momentum_queue_size`` vectors of a slow copy

The equation is SimCSE's. The text part ``repetition`` (text/repetition.py) makes the positive, the part
``momentum-queue`` (negatives/momentum_queue.py) adds the columns; any method can use either.

Wu et al. 2022, "ESimCSE: Enhanced Sample Building Method for Contrastive Learning of Unsupervised Sentence Embedding",
COLING, sections 3.1 and 3.2; https://arxiv.org/abs/2109.04380
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="esimcse",
    idea="SimCSE whose positive has some words said twice, with past vectors of a slow copy as further negatives.",
    paper="Wu, Gao, Zang, Han, Wang, Hu 2022, ESimCSE: Enhanced Sample Building Method for Contrastive Learning of "
    "Unsupervised Sentence Embedding (COLING)",
    reference="https://arxiv.org/abs/2109.04380",
    objective=simcse,
    parts=("momentum-queue",),
    text_parts=("repetition",),
    departures=(
        "words are repeated, as in one of the paper's variants (its best and the scripts: word pieces)",
        "the number of repeated words is uniform up to max(2, rate N), the limit included, as in the paper (the code's "
        "for word pieces: below min(10, rate N))",
        "repetition is drawn anew at every step (in the code: once, before training)",
        "a repeated text is cut at max_length as any other (in the code it may be longer than the cut)",
        "the queue keeps no vector of a step that was skipped, and a queued text is no negative of its own row",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
