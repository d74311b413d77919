"""A BERT of any size with random weights, and sentences of its words: speed needs no checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Size:
    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int

    def operations(self, texts: int, length: int) -> float:
        """Of the matrix products of one training step, forward and twice as many backward, on texts of one length."""
        per_token = 4 * self.width**2 + 2 * self.width * self.inner + 2 * length * self.width
        return 3 * 2 * texts * length * self.layers * per_token


BASE = Size(width=768, layers=12, heads=12, inner=3072, vocabulary=30_522)
TINY = Size(width=32, layers=2, heads=2, inner=64, vocabulary=200)


def write_bert(folder: Path, size: Size) -> Path:
    """A folder as a masked language model has it; dropout is BERT's."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    from contrapose.seeds import seeded

    config = BertConfig(
        vocab_size=size.vocabulary, hidden_size=size.width, num_hidden_layers=size.layers,
        num_attention_heads=size.heads, intermediate_size=size.inner,
    )  # fmt: skip
    with seeded(0, "random-bert"):
        BertForMaskedLM(config).save_pretrained(folder)
    tokens = [*SPECIAL, *_words(size)]
    wrapped = BertTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, model_max_length=512
    )
    wrapped.save_pretrained(folder)
    return folder


def sentences(size: Size, count: int, least: int, most: int) -> list[str]:
    """Each of ``least`` to ``most`` words, and as many tokens; two more are BERT's own."""
    random = np.random.default_rng(0)
    words = np.array(_words(size))
    lengths = random.integers(least, most + 1, size=count)
    drawn = words[random.integers(len(words), size=int(lengths.sum()))].tolist()
    ends = lengths.cumsum()
    return [" ".join(drawn[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _words(size: Size) -> list[str]:
    return [f"w{number}" for number in range(size.vocabulary - len(SPECIAL))]
