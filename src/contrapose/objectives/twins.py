"""IFTCL, twins: pull a changed text towards its anchor, but no nearer than it belongs; and reuse past positives.

    loss = InfoNCE(anchor, identical twin; the batch and the queue)
           + weight * mean_i ( cos(a_i, p_i) - cos(a_i, f_i) - delta_i )^2

    a: anchor, p: its identical twin (the same text under another dropout mask)
    f: its fraternal twin (the text with words repeated or left out)
    delta_i: the same difference by the model before training, between 0 and ``margin_limit``

The first term is SimCSE's equation with the part ``queue`` (negatives/queue.py), the second the part ``twins-margin``
(regularizers/twins_margin.py). Both work with any method whose texts have a fraternal twin (``--views twins``).

Xiao, Li and Chen 2023, "Identical and Fraternal Twins: Fine-Grained Semantic Contrastive Learning of Sentence
Representations", ECAI; https://arxiv.org/abs/2307.10932

A reconstruction: no code was published, and the paper's own form of the second term is not at hand.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="twins",
    idea="SimCSE with a queue, and a changed text stays as far from its anchor as the pretrained model found it.",
    paper="Xiao, Li, Chen 2023, Identical and Fraternal Twins: Fine-Grained Semantic Contrastive Learning of Sentence "
    "Representations (ECAI)",
    reference="https://arxiv.org/abs/2307.10932",
    objective=simcse,
    parts=("queue", "twins-margin"),
    text_parts=("twins",),
    departures=(
        "a reconstruction from the paper's abstract: no code was published, and the form of its Twins Loss, its "
        "augmentations, its numbers and its results are not known here",
        "the identical twin is the positive of the contrast; the fraternal one enters the margin's term alone",
        "the margin is measured by the frozen pretrained model without dropout, and kept by a squared penalty (or "
        "penalty=hinge)",
        "the queue holds past positives as they were (four batches of 64), without a second encoder",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
