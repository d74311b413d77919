"""What each method does to one small batch, as a picture: who pulls and who pushes, beside SimCSE on the same batch.

A row is an anchor, a column what it is compared with. The colour of a cell is the gradient of the loss by its cosine:
blue pulls the two together, red pushes them apart. Further terms of the loss have no columns; what is drawn of them is
how a small step against their gradient changes the cosines of anchors and positives.

Made for all methods by ``python docs/build.py``. Colours are middle tones on no background: they are read on light and
on dark pages alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from contrapose.contract import Loss, Method, Views, split_key
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.objective import Objective
from contrapose.report.svg import element, words
from contrapose.testing.toys import beside, supplies, tokens
from contrapose.text.catalogue import AUTO, text_parts_named

FOLDER = "methods/pictures"
ROWS, WIDTH, SEED = 8, 12, 3
#: Above the default of 0.05, at which all but the hardest negatives would be too faint to be seen.
TEMPERATURE = 0.15
CELL, GAP, TOP, LEFT, PANEL_GAP = 17, 10, 70, 34, 46
#: The height of a line of words.
LINE = 13
#: Below a picture in which nothing changes.
SAME_TABLE = "The table is SimCSE's: texts change, or what happens between steps."
#: Columns of one origin that are drawn; a block may have many more.
MOST_COLUMNS = 8
#: A gradient below this share of the largest is drawn as none.
FAINTEST = 0.004
#: A step this long, against the gradient of a term, is what its panel shows.
STEP = 1e-3
#: Hyperparameters that make sense for eight rows.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "hncse-hnm": {"num_mixtures": 8, "k": 3},
    "hncse": {"num_mixtures": 8, "k": 3},
    "sscl": {"num_layers": 1},
    "ifnd": {"num_clusters": 4, "num_clusterings": 1, "accepted_share": 1.0},
}
PULL, PUSH = "#2878c8", "#d2543c"
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#808691}.head{font-weight:600;font-size:13px}"
    f".pull{{fill:{PULL}}}.push{{fill:{PUSH}}}.cell{{stroke:#808691;stroke-opacity:.35;fill:none}}"
    ".struck{stroke:#808691;stroke-width:1.4}.moved{fill:none;stroke:#e8b02c;stroke-width:2}"
)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One table: numbers to colour (below 0 pulls), what is struck out, which cells are mixed, and named blocks."""

    title: str
    strength_BC: Tensor
    struck_BC: Tensor
    moved_BC: Tensor
    blocks: Sequence[tuple[str, int, int]]
    scale: float

    @property
    def width(self) -> float:
        return sum(_shown(count) * CELL + GAP for _, _, count in self.blocks) - GAP


def picture_of(method: str) -> str:
    """The SVG of a method."""
    plain_loss, _ = _scored("simcse")
    loss, views = _scored(method)
    base, own = _gradient(plain_loss), _gradient(loss)
    panels = [_table("SimCSE", plain_loss, plain_loss, scale := base.abs().max().item())]
    if method != "simcse":
        panels.append(_table(method, loss, plain_loss, max(scale, own.abs().max().item())))
        panels[0] = replace(panels[0], scale=panels[1].scale)
    for name, term in loss.terms.items():
        if name != "contrast":
            panels.append(_term(name, term, views))
    same = method != "simcse" and torch.equal(own, base) and len(panels) == 2
    return _drawn(method, panels, SAME_TABLE if same else "")


def _batch() -> tuple[Views, Tensor]:
    """Eight sentences, and what they mean: 0 and 1 nearly the same, 2 and 3 alike, 4 and 5 one text, the rest apart."""
    random = torch.Generator().manual_seed(SEED)
    meaning = torch.nn.functional.normalize(
        torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64), dim=1
    )
    meaning[1] = meaning[0] + 0.25 * meaning[1]
    meaning[3] = meaning[2] + 0.7 * meaning[3]
    meaning[5] = meaning[4]
    meaning = meaning + 0.35 * torch.nn.functional.normalize(meaning.sum(0), dim=0)
    noise = 0.12 * torch.randn(2, ROWS, WIDTH, generator=random, dtype=torch.float64)
    texts = torch.tensor([1, 2, 3, 4, 5, 5, 6, 7])
    views = Views.pair(
        meaning + noise[0],
        meaning + noise[1],
        seed=7,
        step=95,
        num_steps=100,
        row_ids=torch.arange(ROWS),
        text_ids={"anchor": texts, "positive": texts},
        tokens=tokens(ROWS, 0),
    )
    return views, meaning


def _scored(method: str) -> tuple[Loss, Views]:
    """The loss of the batch, after one other batch was seen, with every trained view as a leaf."""
    made = recipe(method, (), {"temperature": TEMPERATURE, **SMALL.get(method, {})})
    objective: Objective = made.build(width=WIDTH)
    objective.attach(supplies(objective.needs, WIDTH))
    objective.double()
    views, meaning = _batch()
    earlier = views.with_views(**{name: vectors.roll(3, dims=1) for name, vectors in views.by_name.items()})
    earlier = replace(
        earlier, text_ids={name: texts + 100 for name, texts in views.text_ids.items()}, step=94
    )
    if any("refresh" in type(part).verbs() for part in objective.parts.values()):  # type: ignore[attr-defined]
        for part in objective.parts.values():
            part.refresh(0, torch.arange(ROWS), meaning.float())  # type: ignore[operator]
    objective.observe(_with_needs(earlier, meaning.roll(3, dims=1), objective))
    given = _with_given_negatives(_with_needs(views, meaning, objective), meaning, made.method)
    leaves = {
        name: vectors.detach().clone().requires_grad_(_is_trained(name))
        for name, vectors in given.by_name.items()
    }
    for name in leaves:
        view, source = split_key(name)
        if source == "pooled":  # there is no head here: it is the same vector
            leaves[name] = leaves[view]
    given = given.with_views(**leaves)
    return objective(given), given


def _with_needs(views: Views, meaning: Tensor, objective: Objective) -> Views:
    """What is needed beside, as toys; companions say what the texts mean."""
    given = beside(views, objective.needs)
    said = {}
    for companion in objective.needs.companions:
        for name in [name for name in given.by_name if split_key(name)[1] == companion.name]:
            width = given.by_name[name].shape[1]
            said[name] = torch.nn.functional.pad(meaning, (0, width - WIDTH)).to(given.by_name[name].dtype)
    return given.with_views(**said)


def _with_given_negatives(views: Views, meaning: Tensor, method: Method) -> Views:
    """The further views that a method's text parts give, retrieved neighbours for example: like the row's text."""
    further = [
        name
        for part in text_parts_named(AUTO, method.text_parts)
        for name in part.gives
        if name not in views.by_name
    ]
    for number, name in enumerate(further):
        random = torch.Generator().manual_seed(SEED + 1 + number)
        noise = 0.3 * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64)
        ids = {**views.text_ids, name: torch.arange(ROWS) + 50}
        views = replace(views.with_views(**{name: meaning + noise}), text_ids=ids)
    return views


def _is_trained(name: str) -> bool:
    source = split_key(name)[1]
    return source is None or source == "pooled" or source.startswith("-")


def _gradient(loss: Loss) -> Tensor:
    """(B, C) of the rows' losses by the cosines of the table."""
    (gradient_BC,) = torch.autograd.grad(
        loss.outcome.loss_B.sum(), loss.outcome.table.cosine_BC, retain_graph=True, allow_unused=True
    )
    return torch.zeros_like(loss.outcome.table.cosine_BC) if gradient_BC is None else gradient_BC


def _table(title: str, loss: Loss, plain: Loss, scale: float) -> Panel:
    table = loss.outcome.table
    moved_BC = torch.zeros_like(table.valid_BC)
    batch = table.origins["batch"]
    moved_BC[:, batch] = (table.cosine_BC[:, batch] - plain.outcome.table.cosine_BC[:, :ROWS]).abs() > 1e-9
    return Panel(
        title=title,
        strength_BC=_gradient(loss),
        struck_BC=~table.valid_BC,
        moved_BC=moved_BC & table.is_positive_BC,
        blocks=[(name, block.start, block.stop - block.start) for name, block in table.origins.items()],
        scale=scale,
    )


def _term(name: str, term: Tensor, views: Views) -> Panel:
    """How a small step against the gradient of a term changes the cosines of anchors and positives."""
    pair = [views.anchor, views.positive]
    gradients = torch.autograd.grad(term, pair, retain_graph=True, allow_unused=True)
    before, after = (
        _cosines(
            *(
                vectors - size * (0 if gradient is None else gradient)
                for vectors, gradient in zip(pair, gradients, strict=True)
            )
        )
        for size in (0.0, STEP)
    )
    closer_BB = ((before - after) / STEP).detach()
    largest = closer_BB.abs().max().item()
    return Panel(
        title=f"the term {name}" if largest > 1e-9 else f"the term {name}: nothing yet",
        strength_BC=closer_BB,
        struck_BC=torch.zeros(ROWS, ROWS, dtype=torch.bool),
        moved_BC=torch.zeros(ROWS, ROWS, dtype=torch.bool),
        blocks=[("batch", 0, ROWS)],
        scale=max(largest, 1e-9),
    )


def _cosines(anchor: Tensor, positive: Tensor) -> Tensor:
    return torch.nn.functional.normalize(anchor, dim=1) @ torch.nn.functional.normalize(positive, dim=1).T


def _shown(count: int) -> int:
    return min(count, MOST_COLUMNS)


def _drawn(method: str, panels: Sequence[Panel], note: str = "") -> str:
    parts = [element("style", STYLE)]
    at = LEFT
    for number, panel in enumerate(panels):
        parts += _panel(panel, at, number == 0)
        at += max(panel.width, 9.0 * len(panel.title)) + PANEL_GAP
    height = TOP + ROWS * CELL + 46
    parts += _legend(TOP + ROWS * CELL + 26)
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
        name = "positives" if origin == "batch" else origin.replace("_", " ")
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
    """The name of a block above it; above a narrow block each of its words has a line of its own."""
    lines = [name] if first or len(name) * 6.5 < width else name.replace("-", " ").split()
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


def _legend(y: float) -> list[Any]:
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
        element("circle", class_="moved", cx=x + 112, cy=y - 5, r=6.0),
        words("a mixed positive", x + 124, y, anchor="start"),
    ]
    return parts


def all_pictures() -> dict[str, str]:
    """Path within docs/ -> SVG."""
    from contrapose.objectives.catalogue import all_methods

    return {f"{FOLDER}/{name}.svg": picture_of(name) for name in all_methods()}
