"""The pictures of runs: curves, the plane of alignment and uniformity, cosines, differences, the map of sentences."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from contrapose.report import cosines
from contrapose.report.axes import labelled, ticks
from contrapose.report.curves import thinned
from contrapose.report.panels import DISTANCE, PANELS, CurvePanel, plain_panel
from contrapose.report.record import BeforeAfter, Curve, Histogram, OwnText, Plane, RunFacts
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
from contrapose.report.wording import group_name, named, short

#: Runs drawn in colours of their own; later ones begin again, with other shapes.
COLOURS = 6
#: Marks on a curve that can be pointed at.
MOST_MARKS = 24
#: Kinds of pairs -> class of their line; each has a dash of its own.
KINDS = {cosines.POSITIVES: "k0", cosines.HARDEST: "k1", cosines.RANDOM: "k2"}


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


def cosine_histogram(kinds: Sequence[Histogram], edges: Sequence[float], title: str, top: float) -> Chart:
    """Outlines of the shares per bin with the medians; ``top`` is the largest share of all panels beside it."""
    frame = Frame(x_low=edges[0], x_high=edges[-1], y_low=0, y_high=min(1.0, top * 1.08), height=220)
    parts = [frame.axes("cosine", "share of pairs")]
    for histogram in _in_order(kinds):
        kind = KINDS[histogram.kind]
        outline = [(frame.x(edges[0]), frame.y(0))]
        for share, low, high in zip(histogram.shares, edges, edges[1:], strict=False):
            outline += [(frame.x(low), frame.y(share)), (frame.x(high), frame.y(share))]
        parts.append(line([*outline, (frame.x(edges[-1]), frame.y(0))], f"hist {kind}"))
        x = frame.x(min(max(histogram.median, edges[0]), edges[-1]))
        tip = f"{histogram.kind}: median cosine {histogram.median:.3f} of {histogram.pairs:,} pairs"
        parts.append(straight(f"median {kind}", x, frame.top, x, frame.y(0), data_tip=tip))
    medians = "medians: " + ", ".join(f"{each.kind} {each.median:.2f}" for each in kinds)
    return Chart(svg=picture(parts, f"Cosines {title}: {medians}", height=220), title=title, about=medians)


def cosine_charts(own: OwnText, run: RunFacts) -> list[Chart]:
    """Before, where it is known, and after."""
    top = max((max(each.shares) for each in (*own.before, *own.after)), default=1.0)
    after = cosine_histogram(own.after, own.edges, _name_of_after(run), top)
    return [*([cosine_histogram(own.before, own.edges, "before", top)] if own.before else []), after]


def _name_of_after(run: RunFacts) -> str:
    return "the model, unchanged" if run.pretrained_kept else "after"


def cosine_legend(kinds: Sequence[Histogram]) -> Legend:
    return [
        (swatch(straight(f"hist {KINDS[each.kind]}", 1, 7, 23, 7)), each.kind) for each in _in_order(kinds)
    ]


def _in_order(kinds: Sequence[Histogram]) -> list[Histogram]:
    return sorted(kinds, key=lambda each: list(KINDS).index(each.kind))


def map_charts(own: OwnText, run: RunFacts, plane: Plane) -> list[Chart]:
    """The sentences by one projection: before, where it is known, and after."""
    count, charts = len(own.texts), []
    if plane.before is not None:
        label = f"{plane.method} of {count} sentences with the pretrained model"
        charts.append(sentence_map(own, plane.before, f"{plane.method}, before", label))
    label = (
        f"{plane.method} of {count} sentences {'with the model' if run.pretrained_kept else 'after training'}"
    )
    return [*charts, sentence_map(own, plane.after, f"{plane.method}, {_name_of_after(run)}", label)]


def sentence_map(own: OwnText, points: Sequence[tuple[float, float]], title: str, label: str) -> Chart:
    """The sentences on a plane; each mark names its text by number, so that a script can show it."""
    size = 400.0
    xs, ys = [x for x, _ in points], [y for _, y in points]
    # One scale for both axes: distances are what the picture is about.
    half = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9) * 0.54
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    frame = Frame(
        x_low=middle_x - half, x_high=middle_x + half, y_low=middle_y - half, y_high=middle_y + half,
        width=size, height=size, left=6, right=6, top=6, bottom=6,
    )  # fmt: skip
    parts = [element("rect", class_="plate", x=1, y=1, width=size - 2, height=size - 2, rx=8)]
    for number, ((x, y), group) in enumerate(zip(points, own.group_of, strict=True)):
        kind = f"g{group % 6} point"
        parts.append(mark(SHAPES[group % 6], frame.x(x), frame.y(y), kind, size=3.6, data_i=number))
    return Chart(svg=picture(parts, label, width=size, height=size, kind="chart map"), title=title)


def group_legend(own: OwnText) -> Legend:
    return [
        (swatch(mark(SHAPES[number % 6], 12, 7, f"g{number % 6}", size=4.4)), group_name(group.words, number))
        for number, group in enumerate(own.groups)
    ]


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
