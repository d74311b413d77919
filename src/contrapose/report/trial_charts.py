"""The pictures of trials: a heat map over two numbers, a line with its spread over one, else a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from contrapose.report.record import Cell, TrialsFolder, TrialTask
from contrapose.report.svg import Frame, esc, figure, line, mark, picture, tip
from contrapose.report.wording import METRICS, score, short

#: Shades of the heat map.
SHADES = 9
#: Columns and rows of a heat map at most; more values of a factor are drawn in so many equal stretches of rank.
MOST_FIELDS = 8


def drawing(trials: TrialsFolder, task: TrialTask) -> tuple[str, str]:
    """(kind, HTML): "heat", "line" or "trials", by how many numbers were varied."""
    whole = replace(task, cells=tuple(cell for cell in task.cells if not cell.diverged))
    near = [cell for cell in whole.cells if trials.in_region(cell)]
    if len(trials.numeric) >= 2:
        return "heat", heat_map(whole, trials.numeric[0], trials.numeric[1], near)
    if len(trials.numeric) == 1:
        return "line", spread(whole, trials.numeric[0], near if trials.region else None)
    return "trials", ""


def _stretches(cells: Sequence[Cell], factor: str) -> list[tuple[float, float]]:
    """Each value of a factor, or equal stretches of rank where there are too many."""
    values = sorted({float(cell.factors[factor]) for cell in cells if cell.factors.get(factor) is not None})
    size = -(-len(values) // MOST_FIELDS)
    return [
        (values[start], values[min(start + size, len(values)) - 1]) for start in range(0, len(values), size)
    ]


def heat_map(task: TrialTask, x_factor: str, y_factor: str, near: Sequence[Cell] = ()) -> str:
    """Mean over seeds, and over whatever else was varied, for each pair of values; fields that hold one of ``near``
    are framed.
    """
    columns, rows = _stretches(task.cells, x_factor), _stretches(task.cells, y_factor)
    means: dict[tuple[int, int], tuple[float, int]] = {}
    framed: set[tuple[int, int]] = set()
    for column, (x_low, x_high) in enumerate(columns):
        for row, (y_low, y_high) in enumerate(rows):
            inside = [
                cell
                for cell in task.cells
                if cell.factors.get(x_factor) is not None
                and cell.factors.get(y_factor) is not None
                and x_low <= cell.factors[x_factor] <= x_high
                and y_low <= cell.factors[y_factor] <= y_high
            ]
            if any(cell is each for cell in inside for each in near):
                framed.add((column, row))
            if inside:
                means[column, row] = mean(cell.mean for cell in inside), sum(cell.seeds for cell in inside)
    if not means:
        return ""
    lowest, highest = min(value for value, _ in means.values()), max(value for value, _ in means.values())
    x_names, y_names = _names(columns), _names(rows)
    left, top, field, tall = 62.0, 6.0, (400 - 62 - 6) / len(columns), 34.0
    height = top + tall * len(rows) + 40
    parts = []
    for (column, row), (value, trials) in means.items():
        shade = (
            round((SHADES - 1) * (value - lowest) / (highest - lowest)) if highest > lowest else SHADES // 2
        )
        x, y = left + field * column, top + tall * (len(rows) - 1 - row)
        best = " best" if (column, row) in framed else ""
        words = tip(
            f"{x_factor} {x_names[column]}, {y_factor} {y_names[row]}: {score(value, task.protocol)} "
            f"(mean of {trials} trial{'' if trials == 1 else 's'})"
        )
        parts.append(
            f'<rect class="mark heat h{shade}{best}" x="{x + 1:g}" y="{y + 1:g}" width="{field - 2:g}" '
            f'height="{tall - 2:g}" rx="3" {words}/>'
            f'<text class="cell h{shade}" x="{x + field / 2:g}" y="{y + tall / 2 + 4:g}" '
            f'text-anchor="middle">{score(value, task.protocol)}</text>'
        )
    parts += [
        f'<text class="tick" x="{left + field * (number + 0.5):g}" y="{height - 24:g}" '
        f'text-anchor="middle">{name}</text>'
        for number, name in enumerate(x_names)
    ]
    parts += [
        f'<text class="tick" x="{left - 6:g}" y="{top + tall * (len(rows) - 1 - number + 0.5) + 4:g}" '
        f'text-anchor="end">{name}</text>'
        for number, name in enumerate(y_names)
    ]
    parts.append(f'<text class="name" x="231" y="{height - 5:g}" text-anchor="middle">{esc(x_factor)}</text>')
    parts.append(
        f'<text class="name" transform="translate(11 {top + tall * len(rows) / 2:g}) rotate(-90)" '
        f'text-anchor="middle">{esc(y_factor)}</text>'
    )
    reach = f"from {score(lowest, task.protocol)} to {score(highest, task.protocol)}"
    label = f"{task.task} over {x_factor} and {y_factor}, {reach}"
    return figure(
        picture("".join(parts), label, height=height),
        task.task,
        f"{METRICS.get(task.metric, task.metric)}; {task.protocol}",
    )


def _names(stretches: Sequence[tuple[float, float]]) -> list[str]:
    """Each value or stretch of values, with as many figures as tell all ends apart.

    >>> _names([(0.01, 0.01), (0.05, 0.1)]), _names([(0.50001, 0.50001), (0.50002, 0.50002)])
    (['0.01', '0.05–0.1'], ['0.50001', '0.50002'])
    """
    ends = sorted({end for stretch in stretches for end in stretch})
    figures = next((n for n in range(3, 17) if len({f"{end:.{n}g}" for end in ends}) == len(ends)), 17)
    return [
        f"{low:.{figures}g}" if low == high else f"{low:.{figures}g}–{high:.{figures}g}"
        for low, high in stretches
    ]


def spread(task: TrialTask, factor: str, near: Sequence[Cell] | None = None) -> str:
    """Mean over seeds with one standard deviation up and down, for each value of one number.

    near: the settings that cannot be told from the highest, filled; the others are hollow. None: unknown, all filled.
    """
    cells = sorted(
        (cell for cell in task.cells if cell.factors.get(factor) is not None),
        key=lambda cell: float(cell.factors[factor]),
    )
    if not cells:
        return ""
    xs = [float(cell.factors[factor]) for cell in cells]
    reach = [cell.mean + sign * (cell.deviation or 0.0) for cell in cells for sign in (-1, 1)]
    frame = Frame.around(xs, reach, x_air=0.06, y_air=0.08, height=230)
    parts = [frame.axes(factor)]
    for series in _series(cells, factor):
        places = [(frame.x(float(cell.factors[factor])), frame.y(cell.mean)) for cell in series]
        parts.append(line(places, "line s0"))
    for cell, x_value in zip(cells, xs, strict=True):
        x, around = frame.x(x_value), cell.deviation or 0.0
        told = f" ± {score(around, task.protocol)}" if cell.deviation is not None else ""
        words = tip(
            f"{factor} {short(x_value)}: {score(cell.mean, task.protocol)}{told}, seeds: {cell.seeds}"
        )
        parts.append(
            f'<line class="line s0" x1="{x}" x2="{x}" y1="{frame.y(cell.mean - around)}" '
            f'y2="{frame.y(cell.mean + around)}"/>'
        )
        shape = "circle" if near is None or any(cell is each for each in near) else "ring"
        parts.append(mark(shape, x, frame.y(cell.mean), "s0", size=4.5, extra=words))
    best = max(cells, key=lambda cell: cell.mean)
    at = short(float(best.factors[factor]))
    label = f"{task.task} over {factor}; highest {score(best.mean, task.protocol)} at {at}"
    return figure(
        picture("".join(parts), label, height=230),
        task.task,
        f"{METRICS.get(task.metric, task.metric)}; {task.protocol}",
    )


def _series(cells: Sequence[Cell], factor: str) -> list[list[Cell]]:
    """Cells that differ in this factor only are joined by a line."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        others = str(sorted((name, str(value)) for name, value in cell.factors.items() if name != factor))
        found.setdefault(others, []).append(cell)
    return list(found.values())
