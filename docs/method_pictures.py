"""What each method does to one small batch, as a picture: who pulls and who pushes, beside SimCSE on the same batch.

A row is an anchor, a column what it is compared with. Blue pulls the two together, red pushes them apart, and the
deeper the colour, the stronger; docs/method_effects.py says how that is measured.

Made for all methods by ``python docs/build.py``. Colours are middle tones on no background: they are read on light and
on dark pages alike.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from method_effects import ROWS, Panel, effects_of
from method_pages import group_of

from contrapose.report.svg import element, words

FOLDER = "methods/pictures"
CELL, GAP, TOP, LEFT, PANEL_GAP = 17, 10, 70, 34, 46
#: The height of a line of words.
LINE = 13
#: Below a picture in which nothing changes, and what changes instead; by what the method is about.
SAME_TABLE = "The table is SimCSE's: this method acts {}."
ACTS = {"protocol": "between the steps"}
#: Origins of columns whose names are no words for them.
NAMES = {
    "batch": "positives",
    "negative_1": "retrieved negatives",
    "previous": "the earlier model's vectors",
    "layer-2_anchor": "anchors, one layer below",
    "layer-2_positive": "positives, one layer below",
    "hard-negative-mixup": "mixed negatives",
    "mixed": "mixed negatives",
    "momentum_queue": "past anchors, by the slow copy",
    "queue": "past positives",
}
#: The width of a letter above a block.
LETTER = 6.5
#: Columns of one origin that are drawn; a block may have many more.
MOST_COLUMNS = 8
#: A gradient below this share of the largest is drawn as none.
FAINTEST = 0.004
PULL, PUSH = "#2878c8", "#d2543c"
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#808691}.head{font-weight:600;font-size:13px}"
    f".pull{{fill:{PULL}}}.push{{fill:{PUSH}}}.cell{{stroke:#808691;stroke-opacity:.35;fill:none}}"
    ".struck{stroke:#808691;stroke-width:1.4}.moved{fill:none;stroke:#e8b02c;stroke-width:2}"
)


def picture_of(method: str) -> str:
    """The SVG of a method."""
    effects = effects_of(method)
    note = SAME_TABLE.format(ACTS.get(group_of(method), "on the texts")) if effects.is_simcse else ""
    return _drawn(method, effects.panels, note)


def _shown(count: int) -> int:
    return min(count, MOST_COLUMNS)


def _width(panel: Panel) -> float:
    return sum(_shown(count) * CELL + GAP for _, _, count in panel.blocks) - GAP


def _drawn(method: str, panels: Sequence[Panel], note: str = "") -> str:
    parts = [element("style", STYLE)]
    at = LEFT
    for number, panel in enumerate(panels):
        parts += _panel(panel, at, number == 0)
        at += max(_width(panel), 9.0 * len(panel.title)) + PANEL_GAP
    height = TOP + ROWS * CELL + 46
    parts += _legend(TOP + ROWS * CELL + 26, mixed=any(panel.moved_BC.any() for panel in panels))
    if note:
        parts.append(words(note, LEFT, height, anchor="start"))
        height += LINE
    width = max(at - PANEL_GAP + 12, 560)
    label = f"What {method} does to a batch of eight sentences, beside SimCSE: which pairs it pulls and which it pushes"
    box = {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
    return (
        str(element("svg", *parts, xmlns="http://www.w3.org/2000/svg", role="img", aria_label=label, **box))
        + "\n"
    )


def _panel(panel: Panel, left: float, numbered: bool) -> list[Any]:
    parts: list[Any] = [words(panel.title, left, 16, "head", "start")]
    x = left
    for origin, start, count in panel.blocks:
        shown = _shown(count)
        more = f" ({count})" if count > shown else ""
        name = NAMES.get(origin, origin.replace("_", " "))
        parts += _name(f"{name}{more}", x, shown * CELL, origin == "batch")
        for row in range(ROWS):
            for column in range(shown):
                cell = start + column
                y = TOP + row * CELL
                parts += _cell(panel, row, cell, x + column * CELL, y)
        x += shown * CELL + GAP
    if numbered:
        parts += [words(f"{row}", left - 8, TOP + (row + 0.75) * CELL, anchor="end") for row in range(ROWS)]
    return parts


def _name(name: str, x: float, width: float, first: bool) -> list[Any]:
    """The name of a block above it, in lines that are hardly wider than the block."""
    letters = max(int(width / LETTER), *map(len, name.split()))
    lines = [name] if first else textwrap.wrap(name, letters, break_on_hyphens=False)
    return [
        words(line, x, TOP - 8 - LINE * (len(lines) - 1 - number), anchor="start")
        for number, line in enumerate(lines)
    ]


def _cell(panel: Panel, row: int, column: int, x: float, y: float) -> list[Any]:
    box = {"x": float(x), "y": float(y), "width": float(CELL), "height": float(CELL)}
    parts: list[Any] = []
    strength = panel.strength_BC[row, column].item()
    share = abs(strength) / panel.scale
    if share > FAINTEST and not panel.struck_BC[row, column]:
        kind = "pull" if strength < 0 else "push"
        parts.append(element("rect", class_=kind, fill_opacity=f"{share**0.5:.2f}", **box))
    parts.append(element("rect", class_="cell", **box))
    if panel.struck_BC[row, column]:
        near, far = 4.0, CELL - 4.0
        parts.append(element("line", class_="struck", x1=x + near, y1=y + near, x2=x + far, y2=y + far))
        parts.append(element("line", class_="struck", x1=x + near, y1=y + far, x2=x + far, y2=y + near))
    if panel.moved_BC[row, column]:
        parts.append(element("circle", class_="moved", cx=x + CELL / 2, cy=y + CELL / 2, r=CELL / 3))
    return parts


def _legend(y: float, *, mixed: bool) -> list[Any]:
    parts: list[Any] = []
    x = float(LEFT)
    for kind, text in (("pull", "pulled together"), ("push", "pushed apart")):
        parts += [
            element("rect", class_=kind, x=x, y=y - 11, width=13.0, height=13.0),
            words(text, x + 19, y, anchor="start"),
        ]
        x += 130
    near = {"x1": x, "y1": y - 10, "x2": x + 10, "y2": y}
    parts += [
        element("line", class_="struck", **near),
        element("line", class_="struck", x1=x, y1=y, x2=x + 10, y2=y - 10),
        words("struck out", x + 17, y, anchor="start"),
    ]
    if mixed:
        parts += [
            element("circle", class_="moved", cx=x + 112, cy=y - 5, r=6.0),
            words("a mixed positive", x + 124, y, anchor="start"),
        ]
    return parts


def all_pictures() -> dict[str, str]:
    """Path within docs/ -> SVG."""
    from contrapose.objectives.catalogue import all_methods

    return {f"{FOLDER}/{name}.svg": picture_of(name) for name in all_methods()}
