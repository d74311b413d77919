"""DebCSE: SimCSE on pairs from the corpus, drawn by meaning and by surface, so that neither words nor lengths decide.

    loss_i = -log  exp(cos(a_i, p_i) / t) / ( sum_j exp(cos(a_i, p_j) / t) + sum_j exp(cos(a_i, n_j) / t) )

The equation is SimCSE's with given negatives; the text part ``propensity-pairs`` (text/propensity.py) samples positives
p and negatives n with inverse propensity weights, and works on any method with ``--views``.

Miao, Du and Zhang 2023, "DebCSE: Rethinking Unsupervised Contrastive Sentence Embedding Learning in the Debiasing
Perspective", CIKM; https://arxiv.org/abs/2309.07396

Departures from the paper: a reconstruction from its abstract. The formulas of the sampler and all its numbers are this
package's own.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="debcse",
    idea="SimCSE on sampled pairs: positives near in meaning but not in words, negatives the other way round.",
    paper="Miao, Du, Zhang 2023, DebCSE: Rethinking Unsupervised Contrastive Sentence Embedding Learning in the "
    "Debiasing Perspective (CIKM)",
    reference="https://arxiv.org/abs/2309.07396",
    objective=simcse,
    text_parts=("propensity-pairs",),
    departures=(
        "a reconstruction from the abstract: the sampler's formulas and numbers are this package's own",
        "the similarity in meaning is that of the model that the run begins with",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
