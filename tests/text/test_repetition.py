"""Repetition says some words twice: how many is drawn uniformly, which ones without replacement, and order is kept."""

from __future__ import annotations

from collections import Counter

import pytest

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.text.repetition import Repetition, repeat_words

TEXT = " ".join(f"w{number}" for number in range(20))


def repeated(text: str = TEXT, rate: float = 0.32, seed: int = 0, step: int = 0, row: int = 0) -> list[str]:
    return repeat_words(text, rate=rate, seed=seed, step=step, row=row).split()


def numbers(words: int, rate: float) -> Counter[int]:
    """How often each number of repetitions is drawn for a text of so many words."""
    text = " ".join(f"w{number}" for number in range(words))
    return Counter(len(repeated(text, rate, step=step)) - words for step in range(1500))


@pytest.mark.parametrize("step", range(10))
def test_each_word_stands_once_or_twice_in_a_row_and_none_is_lost(step: int) -> None:
    words = repeated(step=step)
    assert set(Counter(words).values()) <= {1, 2}
    without = [word for here, word in enumerate(words) if here == 0 or words[here - 1] != word]
    assert without == TEXT.split()


@pytest.mark.parametrize(
    ("words", "rate", "most"),
    [(20, 0.32, 6), (10, 0.32, 3), (4, 0.32, 2), (1, 0.32, 1), (3, 0.0, 2), (2, 1.0, 2)],
)
def test_the_number_is_uniform_from_none_to_the_share_and_at_least_two(
    words: int, rate: float, most: int
) -> None:
    drawn = numbers(words, rate)
    assert set(drawn) == set(range(most + 1))
    expected = 1500 / (most + 1)
    assert all(abs(times - expected) < 5 * expected**0.5 for times in drawn.values())


def test_every_word_may_be_repeated() -> None:
    twice = {
        word for step in range(300) for word, times in Counter(repeated(step=step)).items() if times == 2
    }
    assert twice == set(TEXT.split())


def test_it_depends_on_seed_step_and_row_and_on_nothing_else() -> None:
    makings = [{}, {"seed": 1}, {"step": 1}, {"row": 1}]
    made = [" ".join(repeated(**making)) for making in makings]
    assert len(set(made)) == len(made)
    assert made == [" ".join(repeated(**making)) for making in makings]


def test_a_text_without_repetition_is_the_text_itself() -> None:
    spaced = "two   spaces"
    made = {repeat_words(spaced, rate=0.0, seed=0, step=step, row=0) for step in range(40)}
    assert spaced in made
    assert "two two spaces" in made
    assert repeat_words("", rate=1.0, seed=0, step=0, row=0) == ""


def test_the_anchor_stays_and_the_positive_is_repeated() -> None:
    texts = {"text": [TEXT, "one two three"]}
    views = Repetition(repetition_rate=1.0).texts([4, 5], texts, seed=0, step=1)
    assert views["anchor"] == texts["text"]
    expected = [
        repeat_words(text, rate=1.0, seed=0, step=1, row=row) for row, text in enumerate(texts["text"], 4)
    ]
    assert views["positive"] == expected


def test_any_method_takes_it_and_pairs_of_columns_are_refused() -> None:
    made = recipe("simcse", (), {"repetition_rate": 0.1}, views="repetition")
    (part,) = made.text_parts(["text"], max_words=32)
    assert isinstance(part, Repetition)
    assert part.rate == 0.1
    with pytest.raises(UsageError, match="--views repetition takes one text column"):
        made.text_parts(["anchor", "positive"], max_words=32)
    with pytest.raises(UsageError, match="repetition_rate"):
        recipe("simcse", (), {"repetition_rate": 1.5}, views="repetition")
