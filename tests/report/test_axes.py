"""Axes over many ranges: inside their bounds, and every tick with a label of its own that says where it stands."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.report import charts
from contrapose.report.axes import spanned, tick_labels, ticks
from contrapose.report.curves import Curve
from contrapose.report.panels import PANELS, SHARE, plain_panel
from contrapose.report.svg import Frame

SIZES = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-12)
#: Lengths of an axis beside the numbers on it: as small as an axis is ever drawn.
LENGTHS = st.floats(1e-8, 1e3)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[float, float]:
    low = draw(SIZES)
    return low, low + draw(LENGTHS) * max(abs(low), 1e-9)


@given(ranges())
def test_ticks_stand_inside_their_axis_and_each_has_a_label_of_its_own_that_is_true(
    ends: tuple[float, float],
) -> None:
    low, high = ends
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    slack = 1e-6 * (high - low)
    assert all(low - slack <= value <= high + slack for value in found)
    labels = tick_labels(found)
    assert len(set(labels)) == len(labels)
    step = found[1] - found[0]
    assert all(abs(float(label) - value) <= 0.01 * step for label, value in zip(labels, found, strict=True))


@given(st.lists(SIZES, min_size=1, max_size=6), st.floats(0, 1))
def test_an_axis_holds_its_values_and_is_never_empty(values: list[float], air: float) -> None:
    low, high = spanned(values, air)
    assert low <= min(values) <= max(values) <= high
    assert low < high


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0, 1))
def test_an_axis_of_shares_has_no_number_beyond_none_and_all(values: list[float], air: float) -> None:
    low, high = spanned(values, air, *SHARE)
    assert 0 <= low < high <= 1
    assert all(0 <= value <= 1 for value in ticks(low, high))


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_what_is_counted_has_whole_ticks(first: int, length: int) -> None:
    found = ticks(first, first + length, whole=True)
    assert found
    assert all(value == int(value) for value in found)
    assert len(set(tick_labels(found))) == len(found) <= 8


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_share_that_does_not_move_is_drawn_between_none_and_all(value: float) -> None:
    (panel,) = [panel for panel in PANELS if panel.names == ("accuracy",)]
    curve = Curve(name="accuracy", steps=(1, 2, 3), values=(value,) * 3)
    drawn = charts.curves(panel, [("run", {"accuracy": curve})])
    assert drawn is not None
    labels = _labels(drawn.svg)
    assert labels
    assert all(0 <= float(label) <= 1 for label in labels[: -len(ticks(1, 3, whole=True))])
    assert labels[-3:] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("share_near", 0, 1),
        ("columns_in_batch", 0, math.inf),
        ("criterion retrieval_mrr", 0, 1),
        ("odd", None, None),
    ],
)
def test_statistics_without_a_panel_have_bounds_too(name: str, low: float | None, high: float | None) -> None:
    found = plain_panel(name).bounds
    assert found == (low, None if high == math.inf else high)


def test_close_numbers_far_from_zero_are_told_apart() -> None:
    frame = Frame.around([0, 1], [1000.0, 1001.0])
    labels = _labels(frame.axes())
    assert "1000.25" in labels
    assert "1001" in labels


def _labels(drawn: str) -> list[str]:
    import re

    return re.findall(r'class="tick"[^>]*>([^<]*)<', drawn)
