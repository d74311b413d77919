"""MixCSE: SimCSE, and for each row one negative that is made hard by a share of the row's own positive.

    loss_i = -log  exp(c_ii / t) / ( sum_j exp(c_ij / t) + exp(cos(a_i, m_i) / t) )
    m_i    = l u_i + (1 - l) u_r(i)           r(i): another row, drawn at random;  no gradient enters m_i

The equation is SimCSE's. The mixtures are the part ``positive-mixtures`` (negatives/positive_mixtures.py), which any
method can use: random negatives soon lie far from the anchor and push with almost nothing, while a mixture stays near.

Zhang, Zhang, Mensah, Liu, Mao 2022, "Unsupervised Sentence Representation via Contrastive Learning with Mixing
Negatives", AAAI; https://ojs.aaai.org/index.php/AAAI/article/view/21428
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="mixcse",
    idea="SimCSE with one more negative a row: another row's positive with a share of the own one mixed in.",
    paper="Zhang, Zhang, Mensah, Liu, Mao 2022, Unsupervised Sentence Representation via Contrastive Learning with "
    "Mixing Negatives (AAAI)",
    reference="https://ojs.aaai.org/index.php/AAAI/article/view/21428",
    objective=simcse,
    parts=("positive-mixtures",),
    departures=(
        "mixes unit vectors (the code mixes raw projector outputs: raw_vectors=True)",
        "a row sees its own mixture (in the code, those of all rows: mixture_scope=all)",
        "positives alone are mixed (the code mixes anchors as well: mixed_anchors=True)",
        "the other row is drawn at random (the code takes the next one of the shuffled batch)",
        "a mixture that holds the row's text in its larger part is struck out (the code gives it a cosine of 0)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
