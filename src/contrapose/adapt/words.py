"""Weights of words, tried before anything is trained: how much less a word counts that every text has.

For text that is searched only: in single sentences the common words carry what is asked (on STS, titles and questions
weights harmed; docs/how-to/adapt.md has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contrapose.adapt.choice import Choice, Option, decide, looked_at
from contrapose.adapt.texts import SHORT, Texts
from contrapose.encoder.word_weights import idf_weights

if TYPE_CHECKING:
    from contrapose.adapt.proof import Measured, Proof
    from contrapose.encoder.encoder import Encoder

#: Powers of the inverse frequency that are looked at. At 0.5 a fifth of the neighbours of general sentences changed,
#: and hardly anything that was learned after it could be taken.
POWERS = (0.125, 0.25)


def searched(training: Sequence[Texts]) -> list[str]:
    """The texts that words are counted in: all columns of a row together, as a search reads them."""
    return [
        " ".join(row)
        for texts in training
        if texts.kind != SHORT
        for row in zip(*texts.columns.values(), strict=True)
    ]


def weigh(encoder: Encoder, texts: Sequence[str], before: Measured, proof: Proof) -> Choice:
    """Look at every power; the encoder ends with the weights that are taken, or without any."""
    token_ids = encoder.token_ids(texts)
    num_words = encoder.backbone.get_input_embeddings().num_embeddings
    options: list[Option] = []
    for power in POWERS:
        encoder.word_weights = idf_weights(token_ids, num_words, power).to(encoder.device)
        options.append(looked_at(encoder, before, proof, power=power))
    choice = decide(before, options)
    encoder.word_weights = None
    if choice.taken is not None:
        encoder.word_weights = idf_weights(token_ids, num_words, choice.taken.power).to(encoder.device)
    return choice
