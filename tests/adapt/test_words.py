"""Weights of words are taken where rare words say what a text is about, and left aside where they do not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from contrapose.adapt.choice import SHARES, Choice, choose, decide
from contrapose.adapt.proof import Measured, Proof
from contrapose.adapt.questions import questions_of
from contrapose.adapt.texts import PAIRS, SHORT, Texts
from contrapose.adapt.words import POWERS, searched, weigh
from contrapose.encoder.word_weights import weigh_words
from contrapose.listening import Listener

RARE = [f"rare{number}" for number in range(40)]
EVERYWHERE = [f"every{number}" for number in range(6)]


class BagOfWords(torch.nn.Module):
    """An encoder whose vector is the weighted mean of a vector per word: what weights do is seen in full."""

    pooling, device, backbone = "avg", torch.device("cpu"), None

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(1000, 64)
        self.table.weight.data = torch.randn(1000, 64, generator=torch.Generator().manual_seed(0))
        self.backbone = SimpleNamespace(get_input_embeddings=lambda: self.table)
        self.word_weights = None

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[zlib.crc32(word.encode()) % 1000 for word in text.split()] for text in texts]

    def in_mode(self, *, training: bool) -> Any:
        return nullcontext()

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        weights = torch.ones(1000) if self.word_weights is None else self.word_weights
        with torch.no_grad():
            rows = [torch.tensor(ids) for ids in self.token_ids(texts)]
            return np.stack([(weights[ids] @ self.table(ids) / weights[ids].sum()).numpy() for ids in rows])


def pairs(*, said: bool) -> Texts:
    """Titles and texts of words that every text has, and of rare ones; said: the text has those of its title."""
    random = np.random.default_rng(0)
    titles, texts = [], []
    for _ in range(120):
        rare = list(random.choice(RARE, size=3, replace=False))
        others = rare if said else list(random.choice(RARE, size=3, replace=False))
        titles.append(" ".join([*rare, *random.choice(EVERYWHERE, size=4)]))
        texts.append(" ".join([*random.permutation(others), *random.choice(EVERYWHERE, size=12)]))
    return Texts(kind=PAIRS, columns={"anchor": titles, "positive": texts}, what="")


def looked(texts: Texts) -> tuple[Any, Proof, Measured, Choice]:
    encoder: Any = BagOfWords()
    proof = Proof(questions_of(texts, in_topics=False), "fp32", Listener())
    before = proof.measure(encoder)
    return encoder, proof, before, weigh(encoder, searched([texts]), before, proof)


def test_the_best_power_is_taken_and_the_encoder_has_its_weights() -> None:
    texts = pairs(said=True)
    encoder, _, _, choice = looked(texts)
    assert choice.taken is not None
    assert [option.power for option in choice.options] == list(POWERS)
    assert choice.taken.names == ("words",)
    assert choice.taken.gain == max(option.gain for option in choice.options)
    expected = weigh_words(encoder, searched([texts]), power=choice.taken.power)
    assert torch.equal(encoder.word_weights, expected)


def test_nothing_is_taken_where_no_rare_word_helps() -> None:
    encoder, _, _, choice = looked(pairs(said=False))
    assert choice.taken is None
    assert encoder.word_weights is None


def test_words_alone_are_handed_out_where_nothing_that_was_trained_is_better() -> None:
    encoder, proof, before, words = looked(pairs(said=True))
    start = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    noise = {
        name: weight + torch.randn_like(weight)
        for name, weight in start.items()
        if weight.is_floating_point()
    }
    choice = choose(encoder, start, {"noise-pairs": {**start, **noise}}, before, proof, words)
    assert choice.taken is not None
    assert choice.taken.names == ("words",)
    assert len(choice.options) == len(POWERS) + len(SHARES)
    assert all(torch.equal(weight, start[name]) for name, weight in encoder.state_dict().items())
    assert encoder.word_weights is not None


def test_words_are_counted_in_what_is_searched() -> None:
    short = Texts(kind=SHORT, columns={"text": ["a short one"]}, what="")
    both = Texts(kind=PAIRS, columns={"anchor": ["a title"], "positive": ["its text"]}, what="")
    assert searched([short, both]) == ["a title its text"]


def test_where_nothing_was_trained_the_words_are_the_choice() -> None:
    for said in (True, False):
        encoder, proof, before, words = looked(pairs(said=said))
        start = {name: weight.clone() for name, weight in encoder.state_dict().items()}
        assert choose(encoder, start, {}, before, proof, words) is words
        assert (encoder.word_weights is None) == (words.taken is None)


def test_weights_that_the_start_brought_stay_where_nothing_is_taken() -> None:
    encoder, proof, _, _ = looked(pairs(said=False))
    encoder.word_weights = weigh_words(encoder, searched([pairs(said=False)]), power=0.1)
    before = proof.measure(encoder)
    start = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    choice = choose(encoder, start, {"same-pairs": start}, before, proof, decide(before, []))
    assert choice.taken is None
    assert encoder.word_weights is not None
