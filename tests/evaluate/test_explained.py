from __future__ import annotations

from types import SimpleNamespace

import pytest

from contrapose.evaluate.explained import encoder_of

PLAIN = {
    "pooling": "avg", "word_weights": None, "max_length": 8, "prompt": "", "normalize": False, "lower_case": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({}, "texts cut at 8 tokens, without a prompt"),
        ({"word_weights": [1.0]}, "pooling avg with the model's weights of words, texts cut"),
        ({"normalize": True}, "not brought to unit length though the model asks for it"),
        ({"prompt": "query: "}, "after the prompt 'query: '"),
        ({"lower_case": True}, "texts lower-cased and cut at 8 tokens"),
    ],
)
def test_what_the_encoder_does_to_texts_and_vectors_is_said(differs: dict, words: str) -> None:
    """Every task asks for vectors as they are pooled, also of a model that makes unit vectors by itself."""
    assert words in encoder_of(SimpleNamespace(**PLAIN | differs), "fp32", 3)
    assert "fp32; each distinct text encoded once (3)" in encoder_of(SimpleNamespace(**PLAIN), "fp32", 3)
