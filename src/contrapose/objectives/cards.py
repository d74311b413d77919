"""CARDS: SimCSE, whose positive has other letters and which has a negative that looks alike.

    loss_i = -log  exp(c_ii / t) / ( sum_j exp(c_ij / t) + sum_r exp(cos(a_i, n_r) / t) )        n_r: retrieved

The equation is SimCSE's with given negatives; what is new are the texts. ``switch-case`` (text/switch_case.py) switches
the case of some words' first letters in the positive, so that a cased tokenizer reads it as other tokens. ``retrieved``
(text/retrieved.py) takes a negative for each row from its nearest neighbours in the whole corpus. Every row sees the
retrieved negatives of all rows, but for texts that are its own. Each text part works on any method with ``--views``.

Wang et al. 2022, "Improving Contrastive Learning of Sentence Embeddings with Case-Augmented Positives and Retrieved
Negatives", SIGIR; https://arxiv.org/abs/2206.02457

Departures from the code: neighbours come from the model that the run begins with (the scripts read vectors of
RoBERTa-large from a file); copies of a row are no neighbours of it, where the code knows its own row only; see also
text/switch_case.py.
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="cards",
    idea="SimCSE whose positives switch the case of letters and whose negatives are retrieved from the whole corpus.",
    paper="Wang, Ge, Zhang, Yang 2022, Improving Contrastive Learning of Sentence Embeddings with Case-Augmented "
    "Positives and Retrieved Negatives (SIGIR)",
    reference="https://arxiv.org/abs/2206.02457",
    objective=simcse,
    text_parts=("switch-case", "retrieved"),
    departures=(
        "neighbours come from the model that the run begins with, not from a file of another model's vectors",
        "copies of a row's text are never its neighbours (the code knows the row's number only)",
        "the switched text is cut to the run's length like every other (the code does not cut it)",
        "retokenization switches the words that it chooses (the code keeps their letters and changes their pieces)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
