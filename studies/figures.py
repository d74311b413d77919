"""How the figures of the studies look: colours that colour-blind people can tell apart, and marks besides."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from contrapose.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, the palest left out; each with a marker of its own, so that nothing hangs on colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BAND = "#D9D9D9"
#: Low to high for heat maps, even in brightness.
HEAT = "cividis"
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


def figure(columns: int = 1, rows: int = 1, *, width: float = 8.0, height: float = 3.6) -> tuple[Figure, Any]:
    """A figure and its axes (rows, columns), drawn without a screen.

    Raises :class:`MissingExtra` where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("a figure", "plots", "matplotlib") from None
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        return drawn, drawn.subplots(rows, columns, squeeze=False)


def svg(drawn: Figure) -> str:
    """The figure as SVG; equal figures give equal text."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(STYLE):
        drawn.savefig(buffer, format="svg", metadata={"Date": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def look(number: int) -> dict[str, Any]:
    """Colour and marker of line ``number``."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 4,
    }


def noise_band(axes: Axes, centre: float, band: float, *, across: str = "y") -> None:
    """What the luck of the seed explains, as a grey strip around ``centre``."""
    if band == float("inf"):
        return
    strip = axes.axhspan if across == "y" else axes.axvspan
    strip(centre - band, centre + band, color=BAND, zorder=0, linewidth=0, label="luck")


def nothing_yet(axes: Axes, words: str = "not run yet") -> None:
    """Said in the middle of axes that have no data."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()
