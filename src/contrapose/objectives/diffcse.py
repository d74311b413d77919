"""DiffCSE: SimCSE, and a vector that knows its words: it must help to find those that a language model changed.

    loss = InfoNCE(anchor, positive) + lambda * replaced-token detection

The first term is SimCSE's equation. The second is the part ``replaced-tokens`` (regularizers/replaced_tokens.py), which
any method can use: the contrast makes vectors blind to dropout, the second term keeps them awake to edits.

Chuang et al. 2022, "DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings", NAACL, equation 3;
https://arxiv.org/abs/2204.10298
"""

from __future__ import annotations

from contrapose.contract import Method
from contrapose.objectives.simcse import simcse

METHOD = Method(
    name="diffcse",
    idea="SimCSE, and from each vector a discriminator must tell which words of its text were changed.",
    paper="Chuang et al. 2022, DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings (NAACL)",
    reference="https://arxiv.org/abs/2204.10298",
    objective=simcse,
    parts=("replaced-tokens",),
    head="mlp-bn",
    departures=(
        "the generator is in evaluation mode (in the code its dropout is active while it writes)",
        "padding keeps its token (the code turns it into token 0, which the attention hides)",
        "the generator must have the vocabulary of the model (the code does not look)",
        "repeats of the anchor's text are struck out of its negatives",
    ),
)
