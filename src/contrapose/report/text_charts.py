"""The pictures of a run's own text: cosines of pairs, and the map of sentences; before and after."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.report import cosines
from contrapose.report.record import Histogram, OwnText, Plane, RunFacts
from contrapose.report.svg import SHAPES, Chart, Frame, Legend, element, line, mark, picture, straight, swatch
from contrapose.report.wording import group_name

#: Kinds of pairs -> class of their line; each has a dash of its own.
KINDS = {cosines.POSITIVES: "k0", cosines.HARDEST: "k1", cosines.RANDOM: "k2"}


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
