"""The pictures of runs: curves, the plane of alignment and uniformity, cosines, differences, the map of sentences."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.report import cosines
from contrapose.report.axes import labelled, ticks
from contrapose.report.curves import thinned
from contrapose.report.panels import DISTANCE, Panel
from contrapose.report.record import BeforeAfter, Curve, Histogram, OwnText, RunFacts
from contrapose.report.svg import SHAPES, Frame, esc, figure, key, line, mark, picture, swatch, tip
from contrapose.report.wording import group_name, named, short

#: Runs drawn in colours of their own; later ones begin again, with other dashes.
COLOURS = 6
#: Kinds of pairs -> class of their line; each has a dash of its own.
KINDS = {cosines.POSITIVES: "k0", cosines.HARDEST: "k1", cosines.RANDOM: "k2"}


def run_class(place: int) -> str:
    return f"s{place % COLOURS}"


def run_key(names: Sequence[str]) -> str:
    """Which line is which run; nothing for a single one."""
    if len(names) < 2:
        return ""
    drawn = [
        swatch(f'<line class="line {run_class(place)}" x1="1" x2="23" y1="7" y2="7"/>'
               + mark(SHAPES[place % 5], 12, 7, run_class(place)))
        for place in range(len(names))
    ]  # fmt: skip
    return key(list(zip(drawn, names, strict=True)))


def curves(panel: Panel, runs: Sequence[tuple[str, dict[str, Curve]]]) -> str:
    """One panel with the curves of all runs; "" where no run has any."""
    drawn = [
        (place, name, number, thinned(found[curve].steps, found[curve].values))
        for place, (name, found) in enumerate(runs)
        for number, curve in enumerate(panel.names)
        if curve in found
    ]
    if not drawn:
        return ""
    steps = [step for *_, points in drawn for step, _ in points]
    values = [value for *_, points in drawn for _, value in points]
    frame = Frame.around(steps, values, height=220, y_bounds=panel.bounds)
    parts = [frame.axes("step", whole_x=True)]
    for place, name, number, points in drawn:
        places = [(frame.x(step), frame.y(value)) for step, value in points]
        dashed = " dashed" if number else ""
        parts.append(line(places, f"line {run_class(place)}{dashed}"))
        what = f"{name}: {panel.names[number].replace('_', ' ')}"
        for (x, y), (step, value) in _told_points(places, points):
            parts.append(
                mark(SHAPES[place % 5], x, y, f"{run_class(place)} dot",
                     size=2.6, extra=tip(f"{what} {short(value)} at step {short(step)}"))
            )  # fmt: skip
    ends = "; ".join(
        f"{name} {panel.names[number].replace('_', ' ')} from {short(points[0][1])} to {short(points[-1][1])}"
        for _, name, number, points in drawn
    )
    return figure(picture("".join(parts), f"{panel.title}: {ends}", height=220), panel.title, panel.about)


def _told_points(
    places: Sequence[tuple[float, float]], points: Sequence[tuple[float, float]], most: int = 24
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """At most so many points get a mark that can be pointed at; the first and the last among them."""
    stretch = max(1, -(-len(points) // most))
    chosen = sorted({*range(0, len(points), stretch), len(points) - 1})
    return [(places[number], points[number]) for number in chosen]


def plane(runs: Sequence[RunFacts]) -> str:
    """The path of each run; "" where no run measured both numbers."""
    drawn = [(place, run) for place, run in enumerate(runs) if run.path]
    if not drawn:
        return ""
    points = [point for _, run in drawn for point in run.path]
    frame = Frame.around(
        [point.uniformity for point in points], [point.alignment for point in points],
        x_air=0.12, y_air=0.16, y_bounds=DISTANCE, width=460, height=320, left=52, bottom=40,
    )  # fmt: skip
    parts = [frame.axes("uniformity  (← spread more evenly)", "alignment  (↓ nearer)")]
    for place, run in drawn:
        places = [(frame.x(point.uniformity), frame.y(point.alignment)) for point in run.path]
        kind = run_class(place)
        parts.append(line(places, f"line {kind}"))
        model = model_place(run)
        for number, ((x, y), point) in enumerate(zip(places, run.path, strict=True)):
            first = number == 0
            words = tip(
                f"{run.name}, step {point.step}: alignment {point.alignment:.3f}, uniformity {point.uniformity:.3f}"
            )
            shape = "ring" if first else SHAPES[place % 5]
            parts.append(mark(shape, x, y, kind, size=5.5 if number == model or first else 2.6, extra=words))
        own = "the model is the start" if run.pretrained_kept else f"step {run.path[model].step}"
        shown = run.name if len(drawn) > 1 else own
        parts.append(_end_label(frame, places[model], shown))
    first_x, first_y = frame.x(drawn[0][1].path[0].uniformity), frame.y(drawn[0][1].path[0].alignment)
    if not drawn[0][1].pretrained_kept or len(drawn) > 1:
        parts.append(
            f'<text class="label" x="{first_x:g}" y="{first_y + 20:g}" text-anchor="middle">start</text>'
        )
    ends = "; ".join(
        f"{run.name} from alignment {run.path[0].alignment:.3f}, uniformity {run.path[0].uniformity:.3f} "
        f"to {run.path[-1].alignment:.3f}, {run.path[-1].uniformity:.3f}"
        for _, run in drawn
    )
    return figure(
        picture("".join(parts), f"Alignment and uniformity along training: {ends}", width=460, height=320)
    )


def model_place(run: RunFacts) -> int:
    """Which point of the path became the model; the last one where the run does not say."""
    steps = [point.step for point in run.path]
    if run.pretrained_kept:
        return 0
    return steps.index(run.chosen_step) if run.chosen_step in steps else len(steps) - 1


def _end_label(frame: Frame, place: tuple[float, float], words: str) -> str:
    """Beside the mark, on the side where there is room; above it, so that lines do not cross it."""
    x, y = place
    right = x < frame.width * 0.62
    anchor, shift = ("start", 9) if right else ("end", -9)
    shown = words if len(words) <= 24 else words[:23] + "…"
    return f'<text class="label" x="{x + shift:g}" y="{y - 7:g}" text-anchor="{anchor}">{esc(shown)}</text>'


def cosine_histogram(found: Sequence[Histogram], edges: Sequence[float], title: str, top: float) -> str:
    """Outlines of the shares per bin with the medians; ``top`` is the largest share of all panels beside it."""
    frame = Frame(x_low=edges[0], x_high=edges[-1], y_low=0, y_high=min(1.0, top * 1.08), height=220)
    parts = [frame.axes("cosine", "share of pairs")]
    for histogram in sorted(found, key=lambda each: list(KINDS).index(each.kind)):
        kind = KINDS[histogram.kind]
        steps = [(frame.x(edges[0]), frame.y(0))]
        for number, share in enumerate(histogram.shares):
            y = frame.y(share)
            steps += [(frame.x(edges[number]), y), (frame.x(edges[number + 1]), y)]
        steps.append((frame.x(edges[-1]), frame.y(0)))
        parts.append(line(steps, f"hist {kind}"))
        x = frame.x(min(max(histogram.median, edges[0]), edges[-1]))
        words = tip(f"{histogram.kind}: median cosine {histogram.median:.3f} of {histogram.pairs:,} pairs")
        parts.append(
            f'<line class="median {kind}" x1="{x}" x2="{x}" y1="{frame.top}" y2="{frame.y(0)}" {words}/>'
        )
    medians = ", ".join(f"{each.kind} {each.median:.2f}" for each in found)
    return figure(
        picture("".join(parts), f"Cosines {title}: medians: {medians}", height=220),
        title,
        f"medians: {medians}",
    )


def cosine_key(found: Sequence[Histogram]) -> str:
    return key(
        [
            (swatch(f'<line class="hist {KINDS[each.kind]}" x1="1" x2="23" y1="7" y2="7"/>'), each.kind)
            for each in sorted(found, key=lambda each: list(KINDS).index(each.kind))
        ]
    )


def sentence_map(own: OwnText, places: Sequence[tuple[float, float]], title: str, label: str) -> str:
    """The sentences on a plane; each mark names its text by number, so that a script can show it."""
    size = 400.0
    xs, ys = [x for x, _ in places], [y for _, y in places]
    # One scale for both axes: distances are what the picture is about.
    span = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9) * 1.08
    middle_x, middle_y = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    frame = Frame(
        x_low=middle_x - span / 2, x_high=middle_x + span / 2, y_low=middle_y - span / 2, y_high=middle_y + span / 2,
        width=size, height=size, left=6, right=6, top=6, bottom=6,
    )  # fmt: skip
    parts = [f'<rect class="plate" x="1" y="1" width="{size - 2:g}" height="{size - 2:g}" rx="8"/>']
    parts += [
        mark(
            SHAPES[group % 6],
            frame.x(x),
            frame.y(y),
            f"g{group % 6} point",
            size=3.6,
            extra=f'data-i="{number}"',
        )
        for number, ((x, y), group) in enumerate(zip(places, own.group_of, strict=True))
    ]
    return figure(picture("".join(parts), label, width=size, height=size, kind="chart map"), title)


def group_key(own: OwnText) -> str:
    return key(
        [
            (
                swatch(mark(SHAPES[place % 6], 12, 7, f"g{place % 6}", size=4.4)),
                group_name(group.words, place),
            )
            for place, group in enumerate(own.groups)
        ]
    )


def reach_of(tables: Sequence[Sequence[BeforeAfter]]) -> tuple[float, float]:
    """From the lowest to the highest bound of all paired differences, zero among them: one axis for all runs."""
    differences = [score.difference for table in tables for score in table if score.difference is not None]
    return min([0.0, *(found.low for found in differences)]), max(
        [0.0, *(found.high for found in differences)]
    )


def forest(scores: Sequence[BeforeAfter], place: int, title: str, reach: tuple[float, float]) -> str:
    """Paired differences with intervals around zero, on an axis that holds ``reach``; "" where there are none."""
    drawn = [(score, score.difference) for score in scores if score.difference is not None]
    if not drawn:
        return ""
    row, top = 34, 8
    height = top + row * len(drawn) + 38
    frame = Frame.around(reach, [0.0, 1.0], x_air=0.08, height=height, left=14, right=14, top=top)
    base = height - frame.bottom
    zero = frame.x(0)
    parts = [f'<line class="axis" x1="14" x2="386" y1="{base}" y2="{base}"/>',
             f'<line class="zero" x1="{zero}" x2="{zero}" y1="{top}" y2="{base}"/>']  # fmt: skip
    for value, words in labelled(ticks(frame.x_low, frame.x_high), sign="+"):
        parts.append(
            f'<text class="tick" x="{frame.x(value)}" y="{base + 16}" text-anchor="middle">{words}</text>'
        )
    parts.append(
        f'<text class="name" x="200" y="{height - 5}" text-anchor="middle">after − before, in points</text>'
    )
    for number, (score, found) in enumerate(drawn):
        y = top + row * number + 24
        clear = found.words != "no clear change"
        words = tip(
            f"{named(score, scores)}: {found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}], {found.words}"
        )
        parts.append(
            f'<text class="label" x="14" y="{y - 11}">{esc(named(score, scores))}'
            f'<tspan class="dim"> {found.value:+.2f}, {esc(found.words)}</tspan></text>'
        )
        parts.append(
            f'<line class="line {run_class(place)}" x1="{frame.x(found.low)}" x2="{frame.x(found.high)}" '
            f'y1="{y}" y2="{y}" {words}/>'
        )
        shape = SHAPES[place % 5] if clear else "ring"
        parts.append(mark(shape, frame.x(found.value), y, run_class(place), size=5, extra=words))
    label = "; ".join(f"{named(score, scores)} {found.value:+.2f} ({found.words})" for score, found in drawn)
    return figure(picture("".join(parts), f"Differences of {title}: {label}", height=height), title)
