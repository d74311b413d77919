"""Panels of marks as SVG, by matplotlib: equal panels give equal text."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies.study import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Okabe and Ito's colours, the palest left out; each with a marker of its own, so that nothing hangs on colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Letters of a line below an axis that has names beside it.
NARROW = 36
#: Letters of the legend's size on an inch, and as many as the line before a label is wide, with the space around it.
LETTERS_PER_INCH, LETTERS_OF_HANDLE = 16, 8
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "contrapose",
}


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side, at most three in a row; equal panels give equal text.

    Raises ImportError where matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    tallest = max(3.6, *(0.3 * len(panel.y_names) + 1.2 for panel in panels))
    with matplotlib.rc_context(STYLE):
        figure = Figure(
            figsize=(9.0 if columns == 1 else 5.0 * columns, tallest * rows), layout="constrained"
        )
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for each, panel in zip(axes, panels, strict=False):
            _draw(each, panel)
        for each in axes[len(panels) :]:
            each.set_visible(False)
        explained = [(each, panel) for each, panel in zip(axes, panels, strict=False) if needs_legend(panel)]
        if len(explained) == len(panels) and len({labels_of(panel) for panel in panels}) == 1:
            handles, labels = axes[0].get_legend_handles_labels()
            across = legend_columns(labels, figure.get_figwidth())
            figure.legend(handles, labels, loc="outside lower center", ncols=across, fontsize=8)
        else:
            for each, _ in explained:
                each.legend(fontsize=7)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def labels_of(panel: Panel) -> tuple[str, ...]:
    """The names of what is drawn, in their order."""
    return tuple(marks.label for marks in panel.marks)


def legend_columns(labels: Sequence[str], inches: float) -> int:
    """How many of the labels stand beside each other so that the longest fits, at most five.

    >>> legend_columns(["simcse", "hncse"], 9.0), legend_columns(["focal-infonce, margin 0.3"] * 6, 9.0)
    (2, 4)
    """
    letters = LETTERS_PER_INCH * inches / (max(map(len, labels)) + LETTERS_OF_HANDLE)
    return max(1, min(5, len(labels), int(letters)))


def needs_legend(panel: Panel) -> bool:
    """There are several marks, and the axis does not name them."""
    drawn = [marks for marks in panel.marks if any(None not in point for point in marks.points)]
    return len(drawn) > 1 and not set(labels_of(panel)) <= {
        *panel.x_names,
        *panel.y_names,
    }


def _draw(axes: Axes, panel: Panel) -> None:
    if not any(None not in point for marks in panel.marks for point in marks.points):
        axes.text(0.5, 0.5, "not run yet", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    for number, marks in enumerate(panel.marks):
        points = [point for point in marks.points if None not in point]
        x, y = [point[0] for point in points], [point[1] for point in points]
        style: Any = {
            "color": COLOURS[number % 7],
            "marker": MARKERS[(number + number // 7) % 7],
            "markersize": 5,
        }
        style["linestyle"] = "-" if marks.joined else ""
        if marks.joined and (upper := sum(each.points == marks.points for each in panel.marks[number + 1 :])):
            # Equal lines lie on each other: the lower one is wider, so that it is seen.
            style |= {"linewidth": 1.5 + 2.5 * upper, "markersize": 5 + 3 * upper}
        if points and len(points[0]) > 2:
            middle: Any = x if panel.y_names else y
            bars = [
                [value - point[2] for value, point in zip(middle, points, strict=True)],
                [point[3] - value for value, point in zip(middle, points, strict=True)],
            ]
            along = "xerr" if panel.y_names else "yerr"
            axes.errorbar(x, y, label=marks.label, **{along: bars}, **style)  # type: ignore[arg-type]
        else:
            axes.plot(x, y, label=marks.label, **style)  # type: ignore[arg-type]
    if panel.band is not None and math.isfinite(panel.band[1]):
        centre, half = panel.band
        strip = axes.axvspan if panel.y_names else axes.axhspan
        strip(centre - half, centre + half, color="#D9D9D9", zorder=0, linewidth=0)
    if panel.line is not None:
        line = axes.axvline if panel.y_names else axes.axhline
        line(panel.line, color="black", linestyle="--", linewidth=1)
    for names, kind, axis, set_scale in (
        (panel.x_names, panel.x_scale, axes.xaxis, axes.set_xscale),
        (panel.y_names, panel.y_scale, axes.yaxis, axes.set_yscale),
    ):
        if names:
            axis.set_ticks(range(len(names)), list(names), fontsize=8)
        elif kind != "linear":
            set_scale(kind, **({"linthresh": 1} if kind == "symlog" else {}))
    if panel.y_names:
        axes.set_ylim(len(panel.y_names) - 0.5, -0.5)
    axes.set_title(panel.title, fontsize=10)
    # Long names beside the axis leave it narrow, and a label wider than its axis would be cut off.
    axes.set_xlabel(textwrap.fill(panel.x, NARROW) if panel.y_names else panel.x, fontsize=9)
    axes.set_ylabel(panel.y, fontsize=9)
