"""A crop is a span of its text, the same for the same place, and neither too short nor too long."""

from __future__ import annotations

import numpy as np
import pytest

from contrapose.text.crop import SHORTEST_TEXT, crop

TEXT = " ".join(f"w{number}" for number in range(30))


def span(step: int = 0, row: int = 0, view: str = "anchor", seed: int = 0, **options: int) -> str:
    return crop(TEXT, seed=seed, step=step, row=row, view=view, **options)


@pytest.mark.parametrize("step", range(20))
def test_a_crop_is_a_run_of_words_of_a_third_to_four_fifths(step: int) -> None:
    made = span(step)
    assert f" {made} " in f" {TEXT} "
    assert 10 <= len(made.split()) <= 24


def test_every_length_and_both_ends_of_the_text_are_reached() -> None:
    made = [span(step).split() for step in range(600)]
    assert {len(words) for words in made} == set(range(10, 25))
    assert {"w0", "w29"} <= {word for words in made for word in words}


def test_a_crop_depends_on_seed_step_row_and_view_and_on_nothing_else() -> None:
    places = [{}, {"seed": 1}, {"step": 1}, {"row": 1}, {"view": "positive"}]
    made = [span(**where) for where in places]
    assert len(set(made)) == len(places)
    assert made == [span(**where) for where in places]


def test_the_type_of_the_row_number_does_not_matter() -> None:
    assert crop(TEXT, seed=0, step=1, row=np.int64(5), view="anchor") == span(step=1, row=5)  # type: ignore[arg-type]


def test_a_text_too_short_to_cut_is_kept() -> None:
    short = " ".join(["word"] * (SHORTEST_TEXT - 1))
    assert crop(short, seed=0, step=0, row=0, view="anchor") == short
    assert crop("", seed=0, step=0, row=0, view="anchor") == ""


def test_a_crop_is_no_longer_than_the_encoder_keeps() -> None:
    lengths = {len(span(step, max_words=12).split()) for step in range(200)}
    assert lengths == {10, 11, 12}
    assert {len(span(step, max_words=4).split()) for step in range(20)} == {4}
