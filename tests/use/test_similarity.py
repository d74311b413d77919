from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.use.similarity import similarity
from tests.tiny import SENTENCES, tiny_bert
from tests.use.fakes import HashEncoder, vector_of


def test_two_texts_give_their_cosine() -> None:
    a, b = vector_of("left").astype(float), vector_of("right").astype(float)
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    value = similarity(HashEncoder(), "left", "right")
    assert isinstance(value, float)
    assert value == pytest.approx(expected, abs=1e-6)
    assert similarity(HashEncoder(), "same", "same") == pytest.approx(1, abs=1e-6)


def test_lists_give_the_matrix_of_their_pairs() -> None:
    left, right = ["a", "b", "c"], ["b", "d"]
    table = similarity(HashEncoder(), left, right)
    assert table.dtype == np.float32
    expected = [[similarity(HashEncoder(), one, other) for other in right] for one in left]
    np.testing.assert_allclose(table, expected, atol=1e-6)
    assert similarity(HashEncoder(), "a", right).shape == (1, 2)
    assert similarity(HashEncoder(), [], right).shape == (0, 2)


@pytest.mark.parametrize(("a", "b"), [("", "x"), ("x", "  "), (["x", ""], ["y"])])
def test_an_empty_text_is_refused(a, b) -> None:
    with pytest.raises(UsageError, match="empty text"):
        similarity(HashEncoder(), a, b)


def test_a_real_encoder_is_symmetric_and_at_most_one(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path))
    texts = list(SENTENCES[:4])
    table = similarity(encoder, texts, texts)
    np.testing.assert_allclose(table, table.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(table), 1, atol=1e-6)
    assert table.max() <= 1
    assert table[0, 1] < 0.99  # the texts are told apart, so the test looks at something
