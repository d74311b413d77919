"""The pictures of an adaptation: for each question, what every model that was tried changed."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.report.adaptations import AdaptationFolder, Asked, Tried
from contrapose.report.axes import labelled, ticks
from contrapose.report.svg import Chart, Frame, element, mark, picture, straight, words


def forests(adaptation: AdaptationFolder) -> list[Chart]:
    """For each question, what every model that was tried changed, with its interval; the one taken is filled."""
    return [chart for asked in adaptation.questions if (chart := _forest(adaptation.tried, asked))]


def _forest(tried: Sequence[Tried], asked: Asked) -> Chart | None:
    drawn = [(each, each.changes[asked.name]) for each in tried if asked.name in each.changes]
    if not drawn:
        return None
    row, top = 32, 8
    height = top + row * len(drawn) + 38
    reach = [0.0, *(end for _, moved in drawn for end in (moved.low, moved.high))]
    frame = Frame.around(reach, [0.0, 1.0], x_air=0.08, height=height, left=14, right=14, top=top)
    base, zero = height - frame.bottom, frame.x(0)
    parts = [straight("axis", 14, base, 386, base), straight("zero", zero, top, zero, base)]
    parts += [
        words(label, frame.x(value), base + 16)
        for value, label in labelled(ticks(frame.x_low, frame.x_high), sign="+")
    ]
    parts.append(words(f"change of the {asked.tested}", 200, height - 5, "name"))
    for number, (each, moved) in enumerate(drawn):
        y = top + row * number + 22
        shown = f"{moved.difference:+.3f} [{moved.low:+.3f}, {moved.high:+.3f}]"
        tip = f"{each.name}: {shown}; {each.kept:.0%} of general neighbours kept"
        about = element(
            "tspan", f" {moved.difference:+.3f}" + (", taken" if each.taken else ""), class_="dim"
        )
        parts.append(element("text", each.name, about, class_="label", x=14, y=y - 10))
        parts.append(straight("line s0", frame.x(moved.low), y, frame.x(moved.high), y, data_tip=tip))
        shape = "circle" if each.taken else "ring"
        parts.append(mark(shape, frame.x(moved.difference), y, "s0", size=5, data_tip=tip))
    label = "; ".join(f"{each.name} {moved.difference:+.3f}" for each, moved in drawn)
    return Chart(
        svg=picture(parts, f"{asked.name}: {label}", height=height), title=f"{asked.name}, {asked.rows} rows"
    )
