"""The pictures of trials: a heat map over two numbers, a line with its spread over one, else none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from markupsafe import Markup

from contrapose.report.record import Cell, TrialsFolder, TrialTask
from contrapose.report.svg import Chart, Frame, element, line, mark, picture, straight, upright, words
from contrapose.report.wording import METRICS, score, short, with_spread

#: Shades of the heat map.
SHADES = 9
#: Columns and rows of a heat map at most; more values of a factor are drawn in so many equal stretches of rank.
MOST_FIELDS = 8


def drawings(trials: TrialsFolder) -> list[tuple[str, Chart | None]]:
    """(kind, picture) of every task."""
    return [drawing(trials, task) for task in trials.tasks]


def drawing(trials: TrialsFolder, task: TrialTask) -> tuple[str, Chart | None]:
    """(kind, picture): "heat", "line" or "trials", by how many numbers were varied."""
    whole = replace(task, cells=tuple(cell for cell in task.cells if not cell.diverged))
    near = [cell for cell in whole.cells if trials.in_region(cell)]
    if len(trials.numeric) >= 2:
        return "heat", heat_map(whole, trials.numeric[0], trials.numeric[1], near)
    if len(trials.numeric) == 1:
        return "line", spread(whole, trials.numeric[0], near if trials.region else None)
    return "trials", None


def _known(cells: Sequence[Cell], factor: str) -> list[tuple[float, Cell]]:
    """The cells that have the factor, with its value, in its order."""
    values = [(float(cell.factors[factor]), cell) for cell in cells if cell.factors.get(factor) is not None]
    return sorted(values, key=lambda each: each[0])


def _stretches(cells: Sequence[Cell], factor: str) -> list[tuple[float, float]]:
    """Each value of a factor, or equal stretches of rank where there are too many."""
    values = sorted({value for value, _ in _known(cells, factor)})
    size = -(-len(values) // MOST_FIELDS) or 1
    return [(chunk[0], chunk[-1]) for n in range(0, len(values), size) if (chunk := values[n : n + size])]


def _within(cells: Sequence[Cell], factor: str, stretch: tuple[float, float]) -> list[Cell]:
    return [cell for value, cell in _known(cells, factor) if stretch[0] <= value <= stretch[1]]


def heat_map(task: TrialTask, x_factor: str, y_factor: str, near: Sequence[Cell] = ()) -> Chart | None:
    """Mean over seeds, and over whatever else was varied, for each pair of values; fields that hold one of ``near``
    are framed.
    """
    columns, rows = _stretches(task.cells, x_factor), _stretches(task.cells, y_factor)
    fields = {
        (column, row): inside
        for column, x_stretch in enumerate(columns)
        for row, y_stretch in enumerate(rows)
        if (inside := _within(_within(task.cells, x_factor, x_stretch), y_factor, y_stretch))
    }
    means = {field: mean(cell.mean for cell in inside) for field, inside in fields.items()}
    if not means:
        return None
    lowest, highest = min(means.values()), max(means.values())
    x_names, y_names = _names(columns), _names(rows)
    left, top, wide, tall = 62.0, 6.0, (400 - 62 - 6) / len(columns), 34.0
    height = top + tall * len(rows) + 40
    parts = []
    for (column, row), value in means.items():
        inside = fields[column, row]
        share = (value - lowest) / (highest - lowest) if highest > lowest else 0.5
        shade = f"h{round((SHADES - 1) * share)}"
        x, y = left + wide * column, top + tall * (len(rows) - 1 - row)
        count = sum(cell.seeds for cell in inside)
        shown = score(value, task.protocol)
        tip = (
            f"{x_factor} {x_names[column]}, {y_factor} {y_names[row]}: {shown} "
            f"(mean of {count} trial{'' if count == 1 else 's'})"
        )
        framed = " best" if any(cell is each for cell in inside for each in near) else ""
        box = {"x": x + 1, "y": y + 1, "width": wide - 2, "height": tall - 2, "rx": 3}
        parts += [
            element("rect", class_=f"mark heat {shade}{framed}", **box, data_tip=tip),
            words(shown, x + wide / 2, y + tall / 2 + 4, f"cell {shade}"),
        ]
    parts += [words(name, left + wide * (n + 0.5), height - 24) for n, name in enumerate(x_names)]
    parts += [
        words(name, left - 6, top + tall * (len(rows) - n - 0.5) + 4, anchor="end")
        for n, name in enumerate(y_names)
    ]
    parts += [words(x_factor, 231, height - 5, "name"), upright(y_factor, top + tall * len(rows) / 2)]
    reach = f"from {score(lowest, task.protocol)} to {score(highest, task.protocol)}"
    return _chart(task, picture(parts, f"{task.task} over {x_factor} and {y_factor}, {reach}", height=height))


def _chart(task: TrialTask, svg: Markup) -> Chart:
    return Chart(svg=svg, title=task.task, about=f"{METRICS.get(task.metric, task.metric)}; {task.protocol}")


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


def spread(task: TrialTask, factor: str, near: Sequence[Cell] | None = None) -> Chart | None:
    """Mean over seeds with one standard deviation up and down, for each value of one number.

    near: the settings that cannot be told from the highest, filled; the others are hollow. None: unknown, all filled.
    """
    cells = _known(task.cells, factor)
    if not cells:
        return None
    reach = [cell.mean + sign * (cell.deviation or 0.0) for _, cell in cells for sign in (-1, 1)]
    frame = Frame.around([value for value, _ in cells], reach, x_air=0.06, y_air=0.08, height=230)
    parts = [frame.axes(factor)]
    for series in _series(cells, factor):
        parts.append(line([(frame.x(value), frame.y(cell.mean)) for value, cell in series], "line s0"))
    for value, cell in cells:
        x, around = frame.x(value), cell.deviation or 0.0
        parts.append(straight("line s0", x, frame.y(cell.mean - around), x, frame.y(cell.mean + around)))
        shape = "circle" if near is None or any(cell is each for each in near) else "ring"
        tip = f"{factor} {short(value)}: {with_spread(cell, task.protocol)}, seeds: {cell.seeds}"
        parts.append(mark(shape, x, frame.y(cell.mean), "s0", size=4.5, data_tip=tip))
    value, best = max(cells, key=lambda each: each[1].mean)
    highest = f"highest {score(best.mean, task.protocol)} at {short(value)}"
    return _chart(task, picture(parts, f"{task.task} over {factor}; {highest}", height=230))


def _series(cells: Sequence[tuple[float, Cell]], factor: str) -> list[list[tuple[float, Cell]]]:
    """Cells that differ in this factor only are joined by a line."""
    series: dict[str, list[tuple[float, Cell]]] = {}
    for value, cell in cells:
        others = str(sorted((name, str(value)) for name, value in cell.factors.items() if name != factor))
        series.setdefault(others, []).append((value, cell))
    return list(series.values())
