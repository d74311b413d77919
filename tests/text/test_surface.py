"""Similarity on the surface is the Jaccard index of n-grams, as sets give it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.text.surface import grams_of, surface_similarity
from tests.reference.propensity import jaccard

TEXTS = [
    "The cat sat.",
    "the CAT sat.",
    "cat",
    "a",
    "",
    "straße STRASSE",
    "日本 語",
    "a a a b",
    "xyz " * 30,
    "😀 the cat",
]


@pytest.mark.parametrize("unit", ["characters", "words"])
def test_similarities_are_those_of_sets(unit: str) -> None:
    texts = [text for text in TEXTS if text or unit == "characters"]
    if unit == "characters":
        texts[4] = " "  # a text of nothing is a space to this package
    grams, rows = grams_of(texts, unit), np.arange(len(texts))  # type: ignore[arg-type]
    found = surface_similarity(grams, rows, np.tile(rows, (len(texts), 1)))
    expected = [[jaccard(one, other, unit) for other in texts] for one in texts]
    assert found == pytest.approx(np.array(expected), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="ab Ü", min_size=1, max_size=12), min_size=2, max_size=6))
def test_any_texts_have_the_similarity_of_their_sets(texts: list[str]) -> None:
    rows = np.arange(len(texts))
    found = surface_similarity(grams_of(texts), rows, np.tile(rows, (len(texts), 1)))
    assert found == pytest.approx(
        np.array([[jaccard(one, other, "characters") for other in texts] for one in texts]), abs=1e-6
    )


def test_where_there_is_no_candidate_there_is_no_similarity() -> None:
    grams = grams_of(TEXTS)
    others = np.array([[-1, 1, -1], [-1, -1, -1]])
    assert surface_similarity(grams, np.array([0, 2]), others).tolist() == [[0, 1, 0], [0, 0, 0]]
