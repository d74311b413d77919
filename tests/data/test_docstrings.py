"""Docstrings become prose: what is no prose goes, what is prose stays."""

from __future__ import annotations

import pytest

from contrapose.data.docstrings import Described, describe, paragraphs, sentences


def test_summary_over_two_lines_is_one_first_line():
    found = describe(
        "Return the largest item\nof a sequence. Raises on an empty one.\n\nTies go to the first."
    )
    assert found == Described(
        "Return the largest item of a sequence.", ("Raises on an empty one.", "Ties go to the first.")
    )


@pytest.mark.parametrize(
    ("removed", "docstring"),
    [
        ("doctest", "Keep this.\n\n>>> f(1)\nsecret\n\nAnd this."),
        ("literal block", "Keep this.\n\nAnd this::\n\n    secret = 1\n    more secret"),
        (
            "field list",
            "Keep this.\n\n:param secret: the secret\n    of two lines\n:returns: secret\n\nAnd this.",
        ),
        ("google section", "Keep this.\n\nArgs:\n    secret: a thing\n        deeper secret\n\nAnd this."),
        ("epydoc fields", "Keep this.\n\n@param secret: the secret\n\nAnd this."),
        ("directive", "Keep this.\n\n.. deprecated:: 3.1 secret\n\nAnd this."),
        ("signature line", "secret(a, b=(1, 2)) -> int\n\nKeep this.\n\nAnd this."),
        ("indented code", "Keep this.\n\n    secret = call(secret)[0]\n\nAnd this."),
    ],
)
def test_what_is_no_prose_is_removed(removed, docstring):
    text = " ".join(paragraphs(docstring))
    assert "secret" not in text, removed
    assert "Keep this." in text
    assert "And this." in text


def test_underlined_parameter_section_ends_at_the_next_section():
    docstring = "Keep.\n\nParameters\n----------\nsecret : int\n    Secret.\n\nDetails\n-------\nThese stay."
    assert paragraphs(docstring) == ["Keep.", "These stay."]


def test_items_of_a_list_are_paragraphs_of_their_own():
    assert paragraphs("It may be:\n\n- a first thing\n  of two lines\n- a second thing") == [
        "It may be:",
        "a first thing of two lines",
        "a second thing",
    ]


def test_markup_is_taken_off_and_its_words_stay():
    assert paragraphs("See :func:`~os.walk`, ``None`` and `x` and `y' here.") == [
        "See os.walk, None and x and y here."
    ]


def test_signature_before_a_dash_is_left_out_of_the_first_line():
    assert describe("walk(top, down=True) -- Walk a tree of folders.").first_line == "Walk a tree of folders."


def test_empty_docstring_describes_nothing():
    assert describe("") == describe("  \n\n ") == describe("-----\n") == Described("", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Use it, e.g. For this.", ["Use it, e.g. For this."]),
        ("By J. Smith. See it.", ["By J. Smith.", "See it."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("Version 3.11 is out. 2 more follow.", ["Version 3.11 is out.", "2 more follow."]),
        ("And so on... Then this.", ["And so on... Then this."]),
        ("See (it. Or not.) more. Then stop.", ["See (it. Or not.) more.", "Then stop."]),
        ("call os.path.join. then lower", ["call os.path.join. then lower"]),
    ],
)
def test_sentences_are_cut_where_a_reader_would(text, expected):
    assert sentences(text) == expected


def test_cutting_loses_no_letter():
    text = "First (one). Second e.g. X; third... Fourth! 5 is a digit? Yes."
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    "hostile", ["(" * 400_000, "`" * 400_000, "a(" * 200_000, ":a" * 200_000, "x. A" * 20_000]
)
def test_hostile_docstrings_take_linear_time(hostile):
    """Of such a length, time that grows with its square is beyond any test's limit: that it ends is the test."""
    describe(hostile)
