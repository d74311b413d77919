"""Deletion leaves some words out, keeps the order of the others, and never leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.text.deletion import Deletion, delete_words
from contrapose.text.twins import Twins

TEXT = " ".join(f"w{number}" for number in range(20))


def shortened(text: str = TEXT, rate: float = 0.3, seed: int = 0, step: int = 0, row: int = 0) -> str:
    return delete_words(text, rate=rate, seed=seed, step=step, row=row)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_share_of_words_is_the_rate_and_every_word_may_go(rate: float) -> None:
    made = [shortened(rate=rate, step=step).split() for step in range(500)]
    left_out = 1 - sum(map(len, made)) / (500 * 20)
    assert left_out == pytest.approx(rate, abs=0.02)
    assert set.union(*(set(TEXT.split()) - set(words) for words in made)) == set(TEXT.split())
    assert all(words == sorted(words, key=lambda word: int(word[1:])) for words in made)


def test_one_word_stays_and_any_may_be_it() -> None:
    kept = {shortened("one two three", rate=0.99, step=step) for step in range(200)}
    assert {"one", "two", "three"} <= kept
    assert "" not in kept
    assert shortened("", rate=0.99) == ""


def test_it_depends_on_seed_step_and_row_and_on_nothing_else() -> None:
    makings = [{}, {"seed": 1}, {"step": 1}, {"row": 1}]
    made = [shortened(**making) for making in makings]
    assert len(set(made)) == len(made)
    assert made == [shortened(**making) for making in makings]


def test_a_text_of_which_nothing_is_left_out_is_the_text_itself() -> None:
    assert shortened("two   spaces", rate=0.0) == "two   spaces"


def test_the_anchor_stays_whole() -> None:
    views = Deletion(deletion_rate=0.5).texts([3, 4], {"text": [TEXT, TEXT]}, seed=0, step=0)
    assert views["anchor"] == [TEXT, TEXT]
    assert views["positive"] == [shortened(rate=0.5, row=row) for row in (3, 4)]


def test_a_fraternal_twin_in_other_letters_wants_a_tokenizer_that_knows_capitals() -> None:
    made = Twins(fraternal="switch-case", switch_probability=1.0)
    views = made.texts([0], {"text": ["one Two three"]}, seed=0, step=0)
    assert views["fraternal"] == ["One two Three"]
    assert views["positive"] == ["one Two three"]
    rows = np.arange(1)

    def uncased(texts: Sequence[str]) -> list[list[int]]:
        return [[*text.lower().encode()] for text in texts]

    def cased(texts: Sequence[str]) -> list[list[int]]:
        return [[*text.encode()] for text in texts]

    corpus: Any = None
    with pytest.raises(UsageError, match="fraternal=switch-case does nothing with this model"):
        Twins(fraternal="switch-case", token_ids=uncased).check(corpus, rows)
    Twins(fraternal="switch-case", token_ids=cased).check(corpus, rows)
    Twins(fraternal="deletion", token_ids=uncased).check(corpus, rows)


def test_twins_are_the_text_twice_and_a_changed_one() -> None:
    columns, rows = {"text": [TEXT] * 200}, range(200)
    either = Twins(deletion_rate=0.5).texts(rows, columns, seed=0, step=0)
    assert either["anchor"] == either["positive"] == columns["text"]
    lengths = [len(text.split()) for text in either["fraternal"]]
    shorter, longer = (sum(sign * (length - 20) > 0 for length in lengths) for sign in (-1, 1))
    assert 70 < shorter < 130
    assert 50 < longer < 130
    for fraternal, right in (("repetition", (1).__le__), ("deletion", (1).__ge__)):
        made = Twins(fraternal=fraternal).texts(rows, columns, seed=0, step=0)["fraternal"]  # type: ignore[arg-type]
        assert all(right(len(text.split()) - 19) or len(text.split()) == 20 for text in made)
