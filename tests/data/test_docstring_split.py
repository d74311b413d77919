"""What is held out never appears in training, by object and by text."""

from __future__ import annotations

import pytest

from contrapose.data.docstring_split import is_held_out, key_of, split_documented
from contrapose.data.harvest import Documented, harvest_python


def documented(name: str, first_line: str, *rest: str) -> Documented:
    return Documented("m", name, name.replace("_", " "), first_line, rest, "m.py", 1)


def side(held_out: bool, count: int) -> list[str]:
    """Names on the wanted side of the split."""
    names = (f"name_{number}" for number in range(10_000))
    chosen = [name for name in names if is_held_out(documented(name, "x")) == held_out]
    return chosen[:count]


@pytest.fixture(scope="module")
def real():
    """Packages whose docstrings repeat texts across classes."""
    return list(harvest_python(["email", "asyncio", "logging", "argparse", "_pydecimal", "ipaddress"]))


def test_no_held_out_text_or_object_is_trained_on(real):
    split = split_documented(real)
    assert split.leaks > 0, "the sample must hold repeated texts, or this test shows nothing"
    held_out = [each for each in real if is_held_out(each)]
    forbidden = {
        key_of(text) for each in held_out for text in (each.first_line, each.description, *each.rest)
    }
    names = {each.full_name for each in held_out}
    sentences_of = {each.full_name: (each.first_line, *each.rest) for each in real}
    trained = [*split.pairs, *split.name_pairs]
    assert len(split.sentences) > 500
    assert len(trained) > 200
    assert not {key_of(sentence.text) for sentence in split.sentences} & forbidden
    assert not {key_of(text) for pair in trained for text in (pair.anchor, pair.positive)} & forbidden - {""}
    assert not {each.name for each in (*split.sentences, *trained)} & names
    for pair in split.pairs:
        leaked = [text for text in sentences_of[pair.name] if key_of(text) in forbidden]
        assert not any(text in pair.positive for text in leaked if len(text) > 20)


def test_every_question_is_of_a_held_out_object_and_asked_once(real):
    split = split_documented(real)
    names = {each.full_name for each in real if is_held_out(each)}
    for questions in (split.description_questions, split.name_questions):
        assert len(questions) > 30
        assert {question.name for question in questions} <= names
        keys = [(key_of(question.anchor), key_of(question.positive)) for question in questions]
        assert len(keys) == len(set(keys))


def test_side_of_an_object_does_not_depend_on_what_else_is_there(real):
    alone = [bool(split_documented([each]).held_out_objects) for each in real[:50]]
    assert alone == [is_held_out(each) for each in real[:50]]
    assert any(alone)
    assert split_documented(real[::-1]).held_out_objects == split_documented(real).held_out_objects


def test_share_of_held_out_objects_is_what_was_asked_for():
    names = [documented(f"function_{number}", "x") for number in range(4_000)]
    assert abs(sum(is_held_out(each, 0.2) for each in names) / 4_000 - 0.2) < 0.03
    assert not any(is_held_out(each, 0) for each in names)
    assert all(is_held_out(each, 1) for each in names)


def test_copy_of_a_held_out_text_is_dropped_whatever_its_case_and_closing():
    (held,), (kept, copy) = side(True, 1), side(False, 2)
    split = split_documented(
        [
            documented(held, "Close the open file.", "It can not be read after that."),
            documented(copy, "close the  open FILE", "A sentence of its own, long enough."),
            documented(
                kept,
                "Open a closed file.",
                "It can not be read after that!",
                "Reading needs six words at least.",
            ),
        ]
    )
    assert [sentence.text for sentence in split.sentences] == [
        "A sentence of its own, long enough.",
        "Open a closed file.",
        "Reading needs six words at least.",
    ]
    assert [(pair.anchor, pair.positive) for pair in split.pairs] == [
        ("Open a closed file.", "Reading needs six words at least.")
    ]
    assert split.leaks == 2


def test_special_methods_and_empty_first_lines_ask_nothing():
    first, second = side(True, 2)
    split = split_documented([documented(first, "Too short"), documented(second, "Say what it does.")])
    assert [question.name for question in split.name_questions] == [f"m.{second}"]
    special = Documented("m", "A.__len__", "a len", "Return how many there are.", (), "m.py", 1)
    assert split_documented([special], share=1).name_questions == ()


def test_share_outside_zero_and_one_is_refused():
    with pytest.raises(ValueError, match="part of one"):
        split_documented([], share=1.5)
