"""How time and memory grow with rows, batch, width, mixtures and queue: measured, drawn, exponents named.

    python -m benchmarks growth [--quick]
    python -m benchmarks.growth [CURVE ...] [--quick] [--out docs/results/growth.jsonl]    measure, and keep the points
    python -m benchmarks.growth --figure [--out FILE]                                      draw docs/figures/growth.svg

An exponent is the slope of log y over log x by least squares, on the upper half of the sizes: below, what every size
pays is most of it. Rows are what users have more and more of: worse than linear in rows is a defect.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.markdown_table import markdown_table
from contrapose.storage.durable import append_line, write_text

ROOT = Path(__file__).resolve().parent.parent
POINTS, FIGURE = ROOT / "docs/results/growth.jsonl", ROOT / "docs/figures/growth.svg"
#: An exponent up to this is called linear: sorting's logarithm and a timer's noise are within.
LINEAR = 1.1
#: Memory below this many MB is not told from noise.
LEAST_MB = 4.0
#: Seconds that a next point may be expected to take, in a whole measurement and in a quick one.
CAP, QUICK_CAP = 60.0, 2.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """what: its work in words; over: what grows; expected: the exponent of time that mathematics asks for."""

    what: str
    over: str
    sizes: tuple[int, ...]
    expected: float = 1.0


_ROWS = tuple(10**power for power in range(3, 8))
CURVES: dict[str, Curve] = {
    "build": Curve(what="reading, building, leaving duplicates out", over="rows", sizes=_ROWS),
    "first-batch": Curve(what="reopening and a first batch", over="rows", sizes=_ROWS, expected=0),
    "encode": Curve(what="encoding with a tiny model", over="rows", sizes=_ROWS),
    "search": Curve(what="exact search, 64 queries", over="rows", sizes=_ROWS[:-1]),
    "geometry": Curve(what="geometry of own texts", over="rows", sizes=_ROWS[:-1]),
    "dense-loss": Curve(what="dense loss", over="batch", sizes=tuple(2**p for p in range(6, 14)), expected=2),
    "tiled-loss": Curve(what="tiled loss", over="batch", sizes=tuple(2**p for p in range(6, 15)), expected=2),
    "width": Curve(what="loss, batch of 256", over="width", sizes=tuple(2**p for p in range(5, 13))),
    "mixtures": Curve(what="HNM, batch of 64", over="mixtures", sizes=(2, 4, 8, 16, 32)),
    "queue": Curve(what="loss with a queue, batch of 256", over="queue", sizes=tuple(2**p for p in range(8, 17))),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "curves", nargs="*", metavar="CURVE", help=f"of: {', '.join(CURVES)}; without one, all"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument(
        "--out", type=Path, default=POINTS, help="where the points are kept, a line of JSON each"
    )
    parser.add_argument(
        "--cap",
        type=float,
        default=CAP,
        help="seconds that a next point may be expected to take (%(default)s)",
    )
    parser.add_argument("--figure", action="store_true", help=f"only: draw {FIGURE.relative_to(ROOT)}")
    given = parser.parse_args()
    if unknown := [name for name in given.curves if name not in CURVES]:
        parser.error(f"no curve is called {', '.join(unknown)}; known: {', '.join(CURVES)}")
    if not given.figure:
        for name in given.curves or CURVES:
            for row in measured(name, quick=given.quick, cap=given.cap):
                append_line(given.out, json.dumps(row))
                print(json.dumps(row), flush=True)
    points = newest(read(given.out))
    for row in rows_of(points):
        print(f"{row['name']:<64} {row['measured']:>6} {row['note']}")
    if given.figure:
        from benchmarks.growth_figure import figure

        FIGURE.parent.mkdir(exist_ok=True)
        write_text(FIGURE, figure(points))


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The exponents of all curves, freshly measured."""
    return rows_of([row for name in CURVES for row in measured(name, quick=quick)])


def measured(name: str, *, quick: bool, cap: float = CAP) -> list[dict[str, Any]]:
    """The points of a curve, smallest first, as long as the next is not expected to take longer than it may."""
    from benchmarks.growth_points import has_tiled

    if name == "tiled-loss" and not has_tiled():
        return []
    curve, cap, points = CURVES[name], min(cap, QUICK_CAP) if quick else cap, []
    sizes = curve.sizes[: len(curve.sizes) // 2 + 1] if quick else curve.sizes
    with tempfile.TemporaryDirectory(prefix="contrapose-growth-") as folder:
        for place, size in enumerate(sizes):
            command = [sys.executable, "-m", "benchmarks.growth_points", name, str(size), folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            told = json.loads(done.stdout.splitlines()[-1])
            points.append({"curve": name, "size": size, "quick": quick, **told})
            if place + 1 < len(sizes) and expected_next(points, sizes[place + 1]) > cap:
                break
    return points


def expected_next(points: Sequence[Mapping[str, Any]], size: int) -> float:
    """Seconds of the next point, if it grows as the last two did, and at least linearly.

    >>> expected_next([{"size": 10, "seconds": 1.0}, {"size": 100, "seconds": 100.0}], 1000)
    10000.0
    """
    last, slope = points[-1], 1.0
    if len(points) > 1:
        slope = max(1.0, exponent([(point["size"], point["seconds"]) for point in points[-2:]]))
    return float(last["seconds"] * (size / last["size"]) ** slope)


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """The slope of log y over log x by least squares.

    >>> round(exponent([(1, 2.0), (10, 200.0), (100, 20000.0)]), 6)
    2.0

    Raises ValueError for fewer than two different sizes, or a value that has no logarithm.
    """
    x, y = ([math.log(point[place]) for point in points] for place in (0, 1))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((each - mean_x) ** 2 for each in x)
    if not spread:
        raise ValueError("an exponent needs two sizes at least")
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread


def upper_half(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The larger half of the sizes, at least two of them.

    >>> upper_half([(1, 1), (2, 2), (3, 3)]), len(upper_half([(size, size) for size in range(8)]))
    ([(2, 2), (3, 3)], 4)
    """
    return sorted(points)[-max(2, -(-len(points) // 2)) :]


def rows_of(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for time and one for memory of each curve, with a word on what the exponent means."""
    rows = []
    for name, curve in CURVES.items():
        own = [point for point in points if point["curve"] == name]
        for quantity, least in (("seconds", 0.0), ("peak_MB", LEAST_MB)):
            wanted = curve.expected if quantity == "seconds" else None
            row: dict[str, Any] = {
                "name": _name(curve, quantity),
                "predicted": wanted,
                "measured": None,
                "note": "",
            }
            if len(own) > 1:
                half = upper_half([(point["size"], point[quantity]) for point in own])
                flat = max(value for _, value in half) <= least
                row["measured"] = 0.0 if flat else round(exponent([(x, max(y, least)) for x, y in half]), 2)
                row["note"] = (
                    f"{verdict(row['measured'], curve)}; at {half[-1][0]:,.0f}: {_shown(half[-1][1], quantity)}"
                )
            rows.append(row)
    return rows


def verdict(measured: float, curve: Curve) -> str:
    """In a word or two.

    >>> verdict(1.02, CURVES["build"]), verdict(1.9, CURVES["build"]), verdict(2.0, CURVES["dense-loss"])
    ('linear', 'worse than linear in rows: a defect', 'as the table of all pairs')
    """
    if measured <= 0.1:
        return "flat"
    if measured <= LINEAR:
        return "linear" if measured > 0.9 else "less than linear"
    if curve.over == "rows":
        return "worse than linear in rows: a defect"
    if curve.expected == 2:
        return "as the table of all pairs" if measured <= 2 * LINEAR else "more than the square"
    return "worse than linear"


def table(points: Sequence[Mapping[str, Any]]) -> str:
    """The exponents as Markdown, a row for each curve."""
    if not points:
        return "Not measured yet."
    named = {row["name"]: row for row in rows_of(points)}
    rows = []
    for curve in CURVES.values():
        time, memory = (named[_name(curve, what)] for what in ("seconds", "peak_MB"))
        if time["measured"] is not None:
            each = [part for row in (time, memory) for part in (f"{row['measured']:.2f}", row["note"])]
            rows.append([curve.what, curve.over, *each])
    return "\n".join(markdown_table(["work", "over", "time", "", "memory", ""], rows))


def _name(curve: Curve, quantity: str) -> str:
    return f"{curve.what}: {'time' if quantity == 'seconds' else 'memory'} over {curve.over}, exponent"


def _shown(value: float, quantity: str) -> str:
    return f"{value:.3g} s" if quantity == "seconds" else f"{value:,.0f} MB"


def read(path: Path) -> list[dict[str, Any]]:
    """All points that were kept, oldest first."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def newest(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each curve and size the newest; those of quick runs only where there is no other."""
    kept: dict[tuple[str, int], Mapping[str, Any]] = {}
    for point in sorted(points, key=lambda point: not point["quick"]):
        kept[point["curve"], point["size"]] = point
    return list(kept.values())


if __name__ == "__main__":
    main()
