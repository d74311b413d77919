from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.data.text import MAX_MARKS, normalise, printable


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two \t words\r\n", "two words"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("\ufefftext with \ufeff mark", "text with mark"),
        ("no\u00a0break\u2028line\x85next\x1cfield", "no break line next field"),
        ("\x00 \x00", ""),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
    ],
)
def test_white_space_controls_and_composition_are_normalised(raw, clean):
    assert normalise(raw) == clean


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60), st.sampled_from([1, 40]))
def test_normalising_twice_changes_nothing(text, times):
    once = normalise(text * times)
    assert normalise(once) == once
    assert once == once.strip()
    assert not any(unicodedata.category(ch) == "Cc" for ch in once)


def test_millions_of_combining_marks_take_linear_time():
    """Without the cut 100,000 take 6 s and these 4 million, quadratic, hours: that it ends is the test."""
    clean = normalise("a" + "\u0301\u0323" * 2_000_000)
    assert clean[0] == "\u1ea1"  # a with dot below, composed of two
    assert len(clean) == MAX_MARKS
    assert normalise(clean) == clean


def test_marks_of_ordinary_long_texts_stay():
    vietnamese = "Việt Nam có tiếng " * 200
    assert normalise(unicodedata.normalize("NFD", vietnamese)) == vietnamese.strip()


@given(st.text())
def test_what_is_shown_can_steer_no_terminal(text):
    assert printable(text, limit=10_000).isprintable()


def test_long_text_is_shown_cut():
    assert printable("x" * 500, limit=10) == "x" * 9 + "…"
