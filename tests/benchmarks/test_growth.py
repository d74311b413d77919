"""Exponents of growth are those of the power laws that made the points; the curves measure what they name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from benchmarks.growth import (
    CURVES,
    LEAST_MB,
    LINEAR,
    expected_next,
    exponent,
    newest,
    rows_of,
    upper_half,
    verdict,
)
from benchmarks.growth_figure import panels
from benchmarks.growth_points import KINDS, point, text_file
from hypothesis import given
from hypothesis import strategies as st

SIZES = (10, 100, 1000, 10_000)


def points(curve: str, power: float, scale: float = 1e-3) -> list[dict[str, object]]:
    return [
        {"curve": curve, "size": n, "quick": False, "seconds": scale * n**power, "peak_MB": 10.0 * n**power}
        for n in SIZES
    ]


@given(st.floats(-1, 3), st.floats(1e-6, 1e6))
def test_the_exponent_of_a_power_law_is_its_power(power: float, scale: float) -> None:
    law = [(float(n), scale * n**power) for n in SIZES]
    assert exponent(law) == pytest.approx(power, abs=1e-6)


def test_what_every_size_pays_is_not_in_the_exponent_of_the_upper_half() -> None:
    law = [(n, 1.0 + 1e-3 * n**2) for n in (1, 10, 100, 1000, 10_000, 100_000)]
    assert exponent(law) < 1.9
    assert exponent(upper_half(law)) == pytest.approx(2.0, abs=1e-3)


def test_one_size_has_no_exponent() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        exponent([(10, 1.0)])


@pytest.mark.parametrize(
    ("curve", "power", "words"),
    [
        ("build", 1.0, "linear"),
        ("build", 2.0, "worse than linear in rows: a defect"),
        ("build", 0.0, "flat"),
        ("build", 0.5, "less than linear"),
        ("dense-loss", 2.0, "as the table of all pairs"),
        ("queue", 2.0, "worse than linear"),
    ],
)
def test_the_table_has_a_word_for_each_exponent(curve: str, power: float, words: str) -> None:
    assert verdict(power, CURVES[curve]) == words
    row = next(row for row in rows_of(points(curve, power)) if row["measured"] is not None)
    assert row["measured"] == pytest.approx(power, abs=0.01)
    assert row["note"].startswith(f"{words}; at 10,000: ")


def test_memory_that_noise_could_be_is_called_flat() -> None:
    quiet = [{**each, "peak_MB": LEAST_MB / 2 * (place % 2)} for place, each in enumerate(points("build", 1))]
    memory = next(row for row in rows_of(quiet) if "memory" in row["name"])
    assert memory["measured"] == 0.0
    assert memory["note"].startswith("flat")


def test_a_curve_without_points_is_not_measured() -> None:
    assert all(row["measured"] is None for row in rows_of([]))
    assert len(rows_of([])) == 2 * len(CURVES)


def test_the_next_point_is_expected_from_the_last_two() -> None:
    law = points("build", 2)
    assert expected_next(law[:3], 10_000) == pytest.approx(law[3]["seconds"])
    assert expected_next(law[:1], 100) == pytest.approx(10 * float(str(law[0]["seconds"])))


def test_newer_points_stand_for_older_ones_and_quick_ones_only_where_there_is_no_other() -> None:
    old, new = {**points("build", 1)[0]}, {**points("build", 2)[0]}
    quick = {**points("build", 3)[0], "quick": True}
    assert newest([old, new, quick]) == [new]
    assert newest([quick]) == [quick]


def test_every_curve_has_work_and_every_work_a_curve() -> None:
    assert set(CURVES) == set(KINDS)
    assert LINEAR < 2
    assert all(curve.sizes == tuple(sorted(set(curve.sizes))) for curve in CURVES.values())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("encode", "tiled-loss")])
def test_the_work_of_each_curve_runs(kind: str, tmp_path: Path) -> None:
    told = point(kind, 16, tmp_path)
    assert told["seconds"] > 0
    assert math.isfinite(told["peak_MB"])


def test_every_tenth_line_of_the_text_repeats_an_earlier_one(tmp_path: Path) -> None:
    lines = text_file(tmp_path, 200).read_text().splitlines()
    assert len(lines) == 200
    assert len(set(lines)) == 180


def test_the_figure_has_rows_apart_from_all_else() -> None:
    drawn = panels([*points("build", 1), *points("queue", 1)])
    assert [(panel.x, [marks.label for marks in panel.marks]) for panel in drawn] == [
        ("rows", [CURVES["build"].what])] * 2 + [
        ("batch, width, mixtures, queue", [f"{CURVES['queue'].what}, over queue"])
    ] * 2  # fmt: skip
