"""The pictures of runs: curves, the plane of alignment and uniformity, differences."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from contrapose.report.axes import labelled, ticks
from contrapose.report.curves import thinned
from contrapose.report.panels import DISTANCE, PANELS, CurvePanel, plain_panel
from contrapose.report.record import BeforeAfter, Curve, RunFacts
from contrapose.report.svg import (
    SHAPES,
    Chart,
    Frame,
    Legend,
    element,
    line,
    mark,
    picture,
    straight,
    swatch,
    words,
)
from contrapose.report.wording import named, short

#: Runs drawn in colours of their own; later ones begin again, with other shapes.
COLOURS = 6
#: Marks on a curve that can be pointed at.
MOST_MARKS = 24


def run_class(number: int) -> str:
    return f"s{number % COLOURS}"


def run_shape(number: int) -> str:
    return SHAPES[number % 5]


def run_legend(runs: Sequence[RunFacts]) -> Legend:
    """Which line is which run; nothing for a single one."""
    return [
        (
            swatch(
                straight(f"line {run_class(number)}", 1, 7, 23, 7),
                mark(run_shape(number), 12, 7, run_class(number)),
            ),
            run.name,
        )
        for number, run in enumerate(runs)
        if len(runs) > 1
    ]


def curves(panel: CurvePanel, runs: Sequence[tuple[str, dict[str, Curve]]]) -> Chart | None:
    """One panel with the curves of all runs, by their names; None where no run has any."""
    drawn = [
        (
            number,
            f"{name} {curve.replace('_', ' ')}",
            dashed,
            thinned(known[curve].steps, known[curve].values),
        )
        for number, (name, known) in enumerate(runs)
        for dashed, curve in enumerate(panel.names)
        if curve in known
    ]
    if not drawn:
        return None
    steps = [step for *_, points in drawn for step, _ in points]
    values = [value for *_, points in drawn for _, value in points]
    frame = Frame.around(steps, values, height=220, y_bounds=panel.bounds)
    parts = [frame.axes("step", whole_x=True)]
    for number, name, dashed, points in drawn:
        drawn_at = [(frame.x(step), frame.y(value)) for step, value in points]
        parts.append(line(drawn_at, f"line {run_class(number)}{' dashed' if dashed else ''}"))
        for index in sorted({*range(0, len(points), -(-len(points) // MOST_MARKS)), len(points) - 1}):
            (x, y), (step, value) = drawn_at[index], points[index]
            tip = f"{name}: {short(value)} at step {short(step)}"
            kind = f"{run_class(number)} dot"
            parts.append(mark(run_shape(number), x, y, kind, size=2.6, data_tip=tip))
    ends = "; ".join(
        f"{name} from {short(points[0][1])} to {short(points[-1][1])}" for _, name, _, points in drawn
    )
    return Chart(
        svg=picture(parts, f"{panel.title}: {ends}", height=220), title=panel.title, about=panel.about
    )


def curves_of_runs(runs: Sequence[RunFacts]) -> tuple[list[Chart], list[Chart]]:
    """(pictures that are looked at first, the others)."""
    known = [(run.name, {curve.name: curve for curve in run.curves}) for run in runs]
    named_ones = {name for panel in PANELS for name in panel.names}
    others = dict.fromkeys(name for _, by_name in known for name in by_name if name not in named_ones)
    first, more = (
        [chart for panel in panels if (chart := curves(panel, known))]
        for panels in (PANELS, map(plain_panel, others))
    )
    return first, more


def plane(runs: Sequence[RunFacts]) -> Chart | None:
    """The path of each run; None where no run measured both numbers."""
    drawn = [(number, run) for number, run in enumerate(runs) if run.path]
    if not drawn:
        return None
    points = [point for _, run in drawn for point in run.path]
    frame = Frame.around(
        [point.uniformity for point in points], [point.alignment for point in points],
        x_air=0.12, y_air=0.16, y_bounds=DISTANCE, width=460, height=320, left=52, bottom=40,
    )  # fmt: skip
    parts = [frame.axes("uniformity  (← spread more evenly)", "alignment  (↓ nearer)")]
    for number, run in drawn:
        drawn_at = [(frame.x(point.uniformity), frame.y(point.alignment)) for point in run.path]
        parts.append(line(drawn_at, f"line {run_class(number)}"))
        model = model_index(run)
        for index, ((x, y), point) in enumerate(zip(drawn_at, run.path, strict=True)):
            where = f"alignment {point.alignment:.3f}, uniformity {point.uniformity:.3f}"
            shape = run_shape(number) if index else "ring"
            size = 5.5 if index in (0, model) else 2.6
            tip = f"{run.name}, step {point.step}: {where}"
            parts.append(mark(shape, x, y, run_class(number), size=size, data_tip=tip))
        own = "unchanged" if run.pretrained_kept else f"step {run.path[model].step}"
        parts.append(_end_label(frame, drawn_at[model], run.name if len(drawn) > 1 else own))
    _, first = drawn[0]
    if not first.pretrained_kept or len(drawn) > 1:
        x, y = frame.x(first.path[0].uniformity), frame.y(first.path[0].alignment)
        parts.append(words("pretrained", x, y + 20, "label"))
    ends = "; ".join(
        f"{run.name} from alignment {run.path[0].alignment:.3f}, uniformity {run.path[0].uniformity:.3f} "
        f"to {run.path[-1].alignment:.3f}, {run.path[-1].uniformity:.3f}"
        for _, run in drawn
    )
    label = f"Alignment and uniformity along training: {ends}"
    return Chart(svg=picture(parts, label, width=460, height=320))


def model_index(run: RunFacts) -> int:
    """Which point of the path became the model; the last one where the run does not say."""
    steps = [point.step for point in run.path]
    if run.pretrained_kept:
        return 0
    return steps.index(run.chosen_step) if run.chosen_step in steps else len(steps) - 1


def _end_label(frame: Frame, point: tuple[float, float], text: str) -> Markup:
    """Beside the mark, on the side where there is room; above it, so that lines do not cross it."""
    x, y = point
    shown = text if len(text) <= 24 else text[:23] + "…"
    right = x < frame.width * 0.62
    return words(shown, x + (9 if right else -9), y - 7, "label", "start" if right else "end")


def forests(runs: Sequence[RunFacts]) -> list[Chart]:
    """The paired differences of each run, all on one axis that holds every interval and zero."""
    differences = [score.difference for run in runs for score in run.scores if score.difference is not None]
    low = min([0.0, *(each.low for each in differences)])
    high = max([0.0, *(each.high for each in differences)])
    drawn = [forest(run.scores, number, run.name, (low, high)) for number, run in enumerate(runs)]
    return [chart for chart in drawn if chart]


def forest(
    scores: Sequence[BeforeAfter], number: int, title: str, reach: tuple[float, float]
) -> Chart | None:
    """Paired differences with intervals around zero, on an axis that holds ``reach``; None where there are none."""
    drawn = [(named(score, scores), score.difference) for score in scores if score.difference is not None]
    if not drawn:
        return None
    row, top = 34, 8
    height = top + row * len(drawn) + 38
    frame = Frame.around(reach, [0.0, 1.0], x_air=0.08, height=height, left=14, right=14, top=top)
    base, zero, kind = height - frame.bottom, frame.x(0), run_class(number)
    parts = [straight("axis", 14, base, 386, base), straight("zero", zero, top, zero, base)]
    parts += [
        words(label, frame.x(value), base + 16)
        for value, label in labelled(ticks(frame.x_low, frame.x_high), sign="+")
    ]
    parts.append(words("after − before, in points", 200, height - 5, "name"))
    for index, (name, change) in enumerate(drawn):
        y = top + row * index + 24
        tip = f"{name}: {change.value:+.2f} [{change.low:+.2f}, {change.high:+.2f}], {change.words}"
        about = element("tspan", f" {change.value:+.2f}, {change.words}", class_="dim")
        parts.append(element("text", name, about, class_="label", x=14, y=y - 11))
        parts.append(straight(f"line {kind}", frame.x(change.low), y, frame.x(change.high), y, data_tip=tip))
        shape = "ring" if change.words == "no clear change" else run_shape(number)
        parts.append(mark(shape, frame.x(change.value), y, kind, size=5, data_tip=tip))
    label = "; ".join(f"{name} {change.value:+.2f} ({change.words})" for name, change in drawn)
    return Chart(svg=picture(parts, f"Differences of {title}: {label}", height=height), title=title)
