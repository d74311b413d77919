"""What each method does to one small batch: how strongly each pair is pulled together or pushed apart, beside SimCSE.

The strength of a pair is the gradient of the loss by its cosine: below 0 it is pulled together, above 0 pushed apart.
Further terms of the loss have no such table; what is measured of them is how a small step against their gradient
changes the cosines of anchors and positives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from contrapose.contract import PREVIOUS, Loss, Method, Views, key_of, split_key
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.objective import Objective
from contrapose.testing.toys import beside, supplies, tokens
from contrapose.text.catalogue import AUTO, text_parts_named

ROWS, WIDTH, SEED = 8, 12, 3
#: Above the default of 0.05, at which all but the hardest negatives would be too faint to be seen.
TEMPERATURE = 0.15
#: A step this long, against the gradient of a term, is what its panel shows.
STEP = 1e-3
#: Hyperparameters that make sense for eight rows.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "hncse-hnm": {"num_mixtures": 8, "k": 3},
    "hncse": {"num_mixtures": 8, "k": 3},
    "sscl": {"num_layers": 1},
    "ifnd": {"num_clusters": 4, "num_clusterings": 1, "accepted_share": 1.0},
    "pnr": {"target_temperature": TEMPERATURE},
}
#: How far an earlier model's vectors lie from those of the trained one.
DRIFT = 0.3
#: Terms whose names are no words of a sentence.
TERMS = {"targets": "target", "mlm": "masked-word", "replaced_tokens": "replaced-word"}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One table: numbers to colour (below 0 pulls), what is struck out, which cells are mixed, and named blocks."""

    title: str
    strength_BC: Tensor
    struck_BC: Tensor
    moved_BC: Tensor
    blocks: Sequence[tuple[str, int, int]]
    scale: float


@dataclass(frozen=True, kw_only=True)
class Effects:
    """panels: SimCSE's table, the method's, and one for each further term; is_simcse: they are all SimCSE's table."""

    panels: Sequence[Panel]
    is_simcse: bool


def effects_of(method: str) -> Effects:
    """What the method does to the batch, SimCSE's table first."""
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
    return Effects(panels=panels, is_simcse=same)


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
    given = _with_needs(_with_given_negatives(views, meaning, made.method), meaning, objective)
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
    """What is needed beside, as toys; companions say what texts mean, an earlier model nearly what this one says."""
    given = beside(views, objective.needs)
    said = {}
    random = torch.Generator().manual_seed(SEED + 2)
    for companion in objective.needs.companions:
        for name in [name for name in given.by_name if split_key(name)[1] == companion.name]:
            width = given.by_name[name].shape[1]
            if companion.name == PREVIOUS:
                own = views.by_name[split_key(name)[0]]
                said[name] = own + DRIFT * torch.randn(own.shape, generator=random, dtype=own.dtype)
                continue
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
    """How a small step against the gradient of a term changes cosines: of anchors and positives; or, where there is an
    earlier model, of anchors and its vectors of them, which are what they are drawn to."""
    target = key_of("anchor", PREVIOUS)
    pair = [views.anchor, views.by_name.get(target, views.positive)]
    gradients = [
        torch.autograd.grad(term, vectors, retain_graph=True, allow_unused=True)[0]
        if vectors.requires_grad
        else None
        for vectors in pair
    ]
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
        title=f"what the {TERMS.get(name, name)} term adds{'' if largest > 1e-9 else ': nothing yet'}",
        strength_BC=closer_BB,
        struck_BC=torch.zeros(ROWS, ROWS, dtype=torch.bool),
        moved_BC=torch.zeros(ROWS, ROWS, dtype=torch.bool),
        blocks=[(PREVIOUS if target in views.by_name else "batch", 0, ROWS)],
        scale=max(largest, 1e-9),
    )


def _cosines(anchor: Tensor, positive: Tensor) -> Tensor:
    return torch.nn.functional.normalize(anchor, dim=1) @ torch.nn.functional.normalize(positive, dim=1).T
