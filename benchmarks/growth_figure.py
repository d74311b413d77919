"""The figure of the growth curves: docs/figures/growth.svg, from the points that were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.growth import CURVES
from studies.drawing import svg
from studies.study import Marks, Panel

QUANTITIES = {"seconds": "seconds", "peak_MB": "peak memory, MB"}


def figure(points: Sequence[Mapping[str, Any]]) -> str:
    """SVG: for rows, and for all else, time and memory on logarithmic axes."""
    return svg(panels(points))


def panels(points: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Rows have panels of their own; batch, width, mixtures and queue share the others."""
    made = []
    for of_rows in (True, False):
        names = [name for name, curve in CURVES.items() if (curve.over == "rows") == of_rows]
        for quantity, label in QUANTITIES.items():
            marks = []
            for name in names:
                own = [(p["size"], p[quantity]) for p in points if p["curve"] == name and p[quantity] > 0]
                curve = CURVES[name]
                marks.append(
                    Marks(curve.what if of_rows else f"{curve.what}, over {curve.over}", sorted(own), True)
                )
            x = "rows" if of_rows else "batch, width, mixtures, queue"
            made.append(
                Panel(x=x, y=label, marks=[m for m in marks if m.points], x_scale="log", y_scale="log")
            )
    return made
