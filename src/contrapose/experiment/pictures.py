"""Pictures of experiments, drawn with matplotlib (extra ``plots``): PNG to look at, SVG to print.

Colours are those of Okabe and Ito, told apart by every common kind of colour blindness; position and words say the
same. Nothing is drawn on a screen, and matplotlib's global state is left alone.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import MissingExtra
from contrapose.experiment.standings import Standing, Standings
from contrapose.storage.durable import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY, BLACK = "#0072B2", "#D55E00", "#7F7F7F", "#222222"
#: Colour and mark of each verdict.
VERDICTS = {"better": (BLUE, "o"), "worse": (ORANGE, "s"), "no clear change": (GREY, "D")}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches. Raises :class:`MissingExtra` without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("drawing pictures", "plots", "matplotlib") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """NAME.png and NAME.svg in ``folder``, whole or not at all, with the same bytes for the same numbers."""
    from matplotlib import rc_context

    made = []
    for kind in ("png", "svg"):
        sink = io.BytesIO()
        with rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
            metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
            figure.savefig(sink, format=kind, dpi=150, metadata=metadata)
        made.append(folder / f"{name}.{kind}")
        write_bytes(made[-1], sink.getvalue())
    return made


def draw_standings(found: Standings, folder: Path, title: str) -> list[Path]:
    """Left: every seed, the mean and its interval. Right: the difference to the baseline with its interval."""
    figure = new_figure(10.0, 1.7 + 0.48 * len(found.rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1])
    for place, row in enumerate(found.rows):
        _values(left, place, row, found.main)
        _difference(right, place, row, found)
    tidy(left, right)
    left.set_yticks(range(len(found.rows)), [_label(row) for row in found.rows])
    left.set_ylim(len(found.rows) - 0.5, -0.5)
    left.set_xlabel(f"{found.main} ({found.metrics[found.columns[found.main][0]]} × 100)")
    right.set_xlabel(f"difference to {found.baseline}, points")
    right.axvline(0, color=BLACK, linewidth=0.8)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.supxlabel(
        "Filled marks: means, with 95% intervals over seeds and test rows. Rings: single seeds. "
        "Blue circle: better; orange square: worse; grey diamond: no clear change.",
        fontsize=7.5,
        color=GREY,
    )
    return save(figure, folder, "comparison")


def _label(row: Standing) -> str:
    if row.seeds == (None,):
        return row.method
    return f"{row.method}  ({len(row.seeds)} seed{'' if len(row.seeds) == 1 else 's'})"


def _values(axes: Axes, place: int, row: Standing, column: str) -> None:
    values = [value for value in row.values.get(column, ()) if value is not None]
    if column in row.intervals:
        axes.plot(row.intervals[column], [place, place], color=BLACK, linewidth=1.6, solid_capstyle="butt")
    if len(values) > 1:
        axes.plot(values, [place + 0.22] * len(values), "o", markersize=4, mfc="none", mec=BLUE, mew=1.0)
    if column in row.spreads:
        axes.plot([row.spreads[column].mean], [place], "o", markersize=7, color=BLACK)


def _difference(axes: Axes, place: int, row: Standing, found: Standings) -> None:
    judged = row.changes.get(found.main)
    if judged is None:
        words = "the baseline" if row.method == found.baseline else "no number"
        axes.annotate(
            words, (0, place), xytext=(6, 0), textcoords="offset points", va="center", color=GREY, fontsize=8
        )
        return
    colour, mark = VERDICTS[judged.words]
    change = judged.change
    axes.plot([change.low, change.high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
    axes.plot([change.difference], [place], mark, markersize=7, color=colour)
    axes.annotate(
        f"{change.difference:+.2f}  {judged.words}",
        (change.difference, place),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=7.5,
        color=colour,
    )


def tidy(*several: Axes) -> None:
    """No box, a light grid along the numbers."""
    for axes in several:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#DDDDDD", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=9)
