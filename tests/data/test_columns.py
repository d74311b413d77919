from __future__ import annotations

import pytest

from contrapose.data.columns import ColumnMapping, cell_text, check_given, map_columns, unmapped_columns
from contrapose.errors import DataError, UsageError


@pytest.mark.parametrize(
    ("available", "keys"),
    [
        (["anchor", "positive"], ("anchor", "positive")),
        (["positive", "negative", "anchor"], ("anchor", "positive", "negative")),
        (
            ["anchor", "positive", "negative_2", "negative_1", "negative_4"],
            ("anchor", "positive", "negative_1", "negative_2"),
        ),
        (["sent0", "sent1", "hard_neg"], ("sent0", "sent1", "hard_neg")),
        (["Query", " pos ", "neg", "id"], ("Query", " pos ", "neg")),
        (["sentence1", "sentence2", "score"], ("sentence1", "sentence2")),
        (["text1", "text2"], ("text1", "text2")),
        (["id", "text", "title"], ("text",)),
        (["content", "sentence"], ("sentence",)),
    ],
)
def test_known_names_are_understood(available, keys):
    mapping = map_columns(available, None, textual=available)
    assert mapping is not None
    assert mapping.keys == keys
    assert mapping.names == (("text",), ("anchor", "positive"))[len(keys) > 1] + tuple(
        f"negative_{i}" for i in range(1, len(keys) - 1)
    )


def test_given_names_win_over_known_ones():
    mapping = map_columns(["text", "question", "answer"], ["question", "answer"], [])
    assert mapping == ColumnMapping(("anchor", "positive"), ("question", "answer"))


def test_the_only_text_column_of_any_name_is_the_text():
    assert map_columns(["id", "body"], None, textual=["body"]) == ColumnMapping(("text",), ("body",))
    assert map_columns(["title", "body"], None, textual=["title", "body"]) is None


def test_an_unclear_table_lists_its_columns_escaped_and_names_the_option():
    error = unmapped_columns("a.csv", ["title", "evil\x1b[2J"], None)
    assert isinstance(error, DataError)
    assert "title, evil\\x1b[2J" in str(error)
    assert "--columns" in str(error)


def test_a_wrong_column_is_a_usage_error_naming_it():
    error = unmapped_columns("a.csv", ["title", "body"], ["titel", "body"])
    assert isinstance(error, UsageError)
    assert "no column titel" in str(error)


@pytest.mark.parametrize("columns", [[], [""], ["a", "a"]])
def test_empty_and_doubled_names_are_refused(columns):
    with pytest.raises(UsageError):
        check_given(columns)


@pytest.mark.parametrize(
    ("value", "role", "wrong"),
    [
        (None, "text", "null"),
        (1e999, "text", "a number"),
        (True, "text", "true or false"),
        ({}, "text", "an object"),
        (["a"], "anchor", "a list"),
        ([], "positive", "an empty list"),
        ([1], "negative_1", "a number"),
        ("half \ud800", "text", "half a surrogate pair"),
    ],
)
def test_what_is_no_text_is_named(value, role, wrong):
    assert cell_text(value, role) == ("", wrong)


def test_a_list_of_positives_gives_its_first():
    assert cell_text(["a", 3], "positive") == ("a", "")
