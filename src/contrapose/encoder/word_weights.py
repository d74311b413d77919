"""Weights of words in the mean over tokens: a word that every text has says little, and counts little.

    vector = sum_t w(t) h_t / sum_t w(t)
    w(t)   = max( ln( (N + 1) / (n(t) + 1/2) ), 0.05 ) ^ power

h_t is the backbone's output at token t, N the number of texts, n(t) how many of them hold the token. Nothing is
trained. Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (ICLR), weigh word vectors by
their frequency; here the states of an encoder are weighed.

In a folder they are the module WordWeights of sentence-transformers, between Transformer and Pooling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from contrapose.errors import ModelError, UsageError

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: The least inverse frequency: of special tokens, and of words that every text has.
LEAST = 0.05
#: Digits that are written: a folder read again has these very weights.
DIGITS = 5


def idf_weights(token_ids: Sequence[Sequence[int]], num_words: int, power: float) -> Tensor:
    """(num_words,) fp32 weights of the tokens of a vocabulary, from the texts that hold them.

    >>> idf_weights([[0, 1], [0, 2]], num_words=3, power=1.0)    # token 0 is in both texts, the others in one
    tensor([0.1823, 0.6931, 0.6931])
    """
    if not 0 <= power <= 4:
        raise UsageError(f"the power of word weights is between 0 and 4, got {power}")
    texts_with = torch.zeros(num_words, dtype=torch.float64)
    for ids in token_ids:
        texts_with[list(set(ids))] += 1
    idf = ((len(token_ids) + 1) / (texts_with + 0.5)).log().clamp(min=LEAST)
    return (idf**power).mul(10**DIGITS).round().div(10**DIGITS).float()


def weigh_words(encoder: Encoder, texts: Sequence[str], *, power: float = 0.5) -> Tensor:
    """Weights for the words of an encoder by how many of the texts hold them, to set as ``encoder.word_weights``.

    Raises UsageError where the encoder pools otherwise than by the mean over tokens (avg).
    """
    check_mean(encoder.pooling)
    num_words = encoder.backbone.get_input_embeddings().num_embeddings
    return idf_weights(encoder.token_ids(texts), num_words, power).to(encoder.device)


def check_mean(pooling: str) -> None:
    """UsageError where there is no mean over tokens to weigh."""
    if pooling != "avg":
        raise UsageError(
            f"words are weighed in the mean over tokens (pooling avg), and this encoder pools by {pooling}"
        )


def to_config(weights: Tensor) -> dict[str, Any]:
    """config.json of WordWeights; the words are the numbers of the tokens.

    >>> to_config(torch.tensor([0.5, 1.0]))
    {'vocab': ['0', '1'], 'word_weights': {'0': 0.5, '1': 1.0}, 'unknown_word_weight': 0}
    """
    values = [round(weight, DIGITS) for weight in weights.tolist()]
    words = [str(token) for token in range(len(values))]
    return {
        "vocab": words,
        "word_weights": dict(zip(words, values, strict=True)),
        "unknown_word_weight": 0,
    }


def from_config(config: Mapping[str, Any], name: str) -> tuple[float, ...]:
    """The weight of each token, as sentence-transformers reads the file. Raises ModelError for a damaged one."""
    vocab, weights, unknown = (config.get(key) for key in ("vocab", "word_weights", "unknown_word_weight"))
    if (
        not isinstance(vocab, list)
        or not isinstance(weights, dict)
        or not all(isinstance(w, str) for w in vocab)
    ):
        raise ModelError(f"'{name}' weighs words (WordWeights), and its file of weights is damaged")
    found: list[Any] = [weights.get(word, weights.get(word.lower(), unknown)) for word in vocab]
    if not all(type(weight) in (int, float) and math.isfinite(weight) and weight >= 0 for weight in found):
        raise ModelError(f"'{name}' weighs words (WordWeights), and a weight is no number of zero or more")
    if not any(found):
        raise ModelError(f"'{name}' weighs words (WordWeights), and no word has a weight")
    return tuple(float(weight) for weight in found)


def weights_of(found: Sequence[float] | None, pooling: str, backbone: Any, name: str) -> Tensor | None:
    """What a folder gives, as a tensor; None where it gives none, or is pooled otherwise than by the mean."""
    if found is None or pooling != "avg":
        return None
    num_words = backbone.get_input_embeddings().num_embeddings
    if len(found) < num_words:
        raise ModelError(
            f"'{name}' weighs {len(found):,} words, and its model knows {num_words:,}: they do not belong together"
        )
    return torch.tensor(found)
