from __future__ import annotations

import pytest

from contrapose.errors import UsageError
from contrapose.experiment.ranges import defaults_of, draws, grid, parse_over


def test_whole_numbers_are_known_from_the_methods_signature() -> None:
    k, mixtures, alpha, gap = parse_over(
        "k=2..20,num_mixtures=10|40,alpha=0..1,gap_threshold=0..0.3", "hncse"
    )
    assert (k.integer, alpha.integer, gap.integer) == (True, False, False)
    assert (k.grid(4), mixtures.grid(9)) == ([2, 8, 14, 20], [10, 40])
    assert all(isinstance(value, int) for value in k.grid(4))
    assert defaults_of([k, mixtures, alpha, gap]) == {
        "k": 10,
        "num_mixtures": 40,
        "alpha": 0.5,
        "gap_threshold": 0.1,
    }


@pytest.mark.parametrize(
    ("over", "log"),
    [
        ("learning_rate=1e-6..1e-4", True),
        ("learning_rate=1e-5..1e-4", False),
        ("temperature=0.01..0.2", True),
        ("temperature=0.01..0.1", False),
        ("margin=0.01..1", False),
    ],
)
def test_the_scale_is_logarithmic_above_a_factor_of_ten_and_says_so(over: str, log: bool) -> None:
    (factor,) = parse_over(over, "focal-infonce")
    assert (factor.log, "logarithmic" in factor.words) == (log, log)


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ("", "at least one range"),
        ("margin", "name=low..high"),
        ("margin=", "name=low..high"),
        ("margin=0.5..0.1", "is empty"),
        ("margin=0.3..0.3", "is empty"),
        ("margin=a..b", "no range of numbers"),
        ("margin=0..inf", "no range of numbers"),
        ("margin=0..9", "less than or equal to 2"),
        ("margin=0.1", "two or more"),
        ("margin=0.1|0.1", "two or more"),
        ("margin=0..1,margin=0..2", "named twice"),
        ("margn=0..1", "Did you mean 'margin'?"),
        ("k=2..5", "has no 'k'"),
        ("negative_map=0..1", "give a list"),
        ("modulate_positive=0..1", "give a list"),
        ("negative_map=paper|clampd", "negative_map"),
        ("batch_size=8.5..16", "whole numbers"),
        ("seed=0..5", "has no 'seed'"),
        ("model=a|b", "has no 'model'"),
        ("steps=1..9", "is fixed by another option"),
    ],
)
def test_what_is_no_range_of_the_method_is_refused(over: str, words: str) -> None:
    with pytest.raises(UsageError, match="--over") as refusal:
        parse_over(over, "focal-infonce", {"steps": 5})
    assert words in str(refusal.value)


def test_a_factor_without_a_default_number_has_no_default_point() -> None:
    assert defaults_of(parse_over("near_weight=0.1..0.3", "hncse-pm", {"near_mode": "fixed"})) is None


def test_a_grid_is_all_combinations_in_order() -> None:
    factors = parse_over("temperature=0.01..0.1,margin=0..0.5", "focal-infonce")
    assert grid(factors, 3) == [
        {"temperature": t, "margin": m} for t in (0.01, 0.055, 0.1) for m in (0.0, 0.25, 0.5)
    ]


def test_random_draws_are_those_of_every_version_and_a_longer_list_begins_with_the_shorter() -> None:
    """Their numbers stand in ledgers: a sweep that was begun goes on with them."""
    two = parse_over("temperature=0.01..0.1,margin=0..0.5", "focal-infonce")
    assert draws(two, 2) == [
        {"temperature": 0.062973, "margin": 0.073586},
        {"temperature": 0.045431, "margin": 0.33109},
    ]
    over = "k=2..20,gap_threshold=0..0.3,near_mode=similarity|fixed,learning_rate=1e-6..1e-3"
    every_kind = parse_over(over, "hncse")
    assert draws(every_kind, 3) == [
        {"k": 13, "gap_threshold": 0.044152, "near_mode": "fixed", "learning_rate": 0.00030609},
        {"k": 20, "gap_threshold": 0.023813, "near_mode": "fixed", "learning_rate": 0.00035158},
        {"k": 4, "gap_threshold": 0.063983, "near_mode": "fixed", "learning_rate": 0.00082955},
    ]
    assert draws(every_kind, 8)[:3] == draws(every_kind, 3)
    assert len({tuple(each.values()) for each in draws(every_kind, 8)}) == 8
