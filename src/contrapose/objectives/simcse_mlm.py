"""SimCSE with masked language modelling: the contrast of SimCSE, while the encoder goes on filling in hidden words.

    loss = InfoNCE(anchor, positive) + weight * masked language modelling

The first term is SimCSE's equation. The second is the part ``mlm`` (regularizers/mlm.py), which any method can use. It
keeps what the encoder knows of words: in the paper it helps classifiers that are trained on the vectors, and costs
similarity of sentences.

Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP, section 6.3;
https://arxiv.org/abs/2104.08821
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="simcse-mlm",
    idea="SimCSE, while the encoder goes on filling in hidden words as the language model it was.",
    paper="Gao et al. 2021, SimCSE: Simple Contrastive Learning of Sentence Embeddings (EMNLP)",
    reference="https://arxiv.org/abs/2104.08821",
    objective=simcse,
    parts=("mlm",),
    departures=(
        "the head's last matrix stays tied to the word table (in the code it is a copy, trained by itself)",
        "the mean is over the hidden words of the whole batch (the code averages the means of its processes)",
        "a model without a masked-language head is refused (the code draws a new head, and says nothing)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
