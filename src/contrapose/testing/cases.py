"""What the rules are tried on: a method, every choice of every switch, every other part and every pair of them.

All of it is read from the method's record and the catalogue, so a new method or part is covered without editing
anything. Two tables below may need a line for a new part: a choice that needs a companion, and coefficients that carry
no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, combinations
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import torch
from torch import Tensor

from contrapose.contract import Loss, Views, split_key
from contrapose.objectives.catalogue import all_methods, all_parts, recipe, records_of
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.exclusions import exclusion_among
from contrapose.objectives.objective import Objective
from contrapose.objectives.plugins import is_file
from contrapose.testing.toys import beside, supplies, tokens

WIDTH = 5
ROWS = 6
#: The method that pairs of parts are tried on.
BASE = "simcse"

#: A choice that is refused without another number.
COMPANIONS: Mapping[str, Mapping[str, Any]] = {
    "pool": {"pool_queue_size": 8},
    "search_objective": {"near_mode": "search"},
}
#: part -> the function whose result is a constant to the gradient, replayed while numbers are perturbed.
NO_GRADIENT: Mapping[str, str] = {"mixed-positive": "_shares", "positive-mixtures": "_constant"}


@dataclass(frozen=True)
class Case:
    """A method by name or file, with parts that are not its own and numbers that are not its defaults."""

    method: str
    parts: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        named = [f"{name}={value}" for name, value in self.numbers.items()]
        method = Path(self.method).name if is_file(self.method) else self.method
        return "+".join([method, *self.parts]) + (f"[{','.join(named)}]" if named else "")

    @property
    def all_parts(self) -> tuple[str, ...]:
        return tuple(part.name for part in checked(self).parts)

    @property
    def detaches(self) -> bool:
        """Whether a switch cuts the gradient, so that it is not the slope of the loss."""
        return any(name.startswith("detach") and value for name, value in self.numbers.items())

    @property
    def has_own_text(self) -> bool:
        """Whether columns hold the row's own text on purpose, so that even a row alone has negatives."""
        return any(part.has_own_text for part in checked(self).parts)

    @property
    def follows_a_teacher(self) -> bool:
        """Whether scores of a teacher say how near each column is to be: then every row has given texts to rank."""
        return bool(checked(self).needs.targets)

    def batch(self, rows: int = ROWS, **options: Any) -> Views:
        """:func:`batch`, with what the case needs beside."""
        return beside(batch(rows, **options), checked(self).needs)

    def build(self, *, memory: bool = True) -> Objective:
        """The objective; with ``memory``, its sources have seen two earlier batches."""
        objective = checked(self).build(width=WIDTH)
        objective.attach(supplies(objective.needs, WIDTH))
        for step in range(2 if memory else 0):
            objective.observe(self.batch(seed=100 + step, first_text=1000 + 10 * step))
        return objective


def checked(case: Case) -> ConfiguredMethod:
    """The recipe of a case, looked up once; building an objective from it is cheap."""
    key = (
        case.method,
        case.parts,
        tuple(sorted((name, repr(value)) for name, value in case.numbers.items())),
    )
    if key not in _checked:
        _checked[key] = recipe(case.method, case.parts, case.numbers)
    return _checked[key]


_checked: dict[Any, ConfiguredMethod] = {}


def choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a switch: of a bool, or of a Literal, optional or not."""
    if annotation is bool:
        return (True, False)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(chain.from_iterable(choices(inner) for inner in get_args(annotation)))


def switched(method: str) -> Iterator[Case]:
    """Each choice that is not the default, alone."""
    numbers = recipe(method).hyperparameters
    for name, described in type(numbers).model_fields.items():
        for choice in choices(described.annotation):
            may_be_given = getattr(numbers, name) is not None or name in COMPANIONS
            if choice != getattr(numbers, name) and may_be_given:
                yield Case(method, (), {name: choice, **COMPANIONS.get(name, {})})


def combined(method: str) -> Iterator[Case]:
    """The method with every part that is not its own; and with every pair, on the base equation alone and on a method
    from a file. Parts that do not go with it, or with each other, are left out.
    """
    own = {part.name for part in recipe(method).parts}
    others = [name for name in all_parts() if name not in own]
    records = records_of(method)
    for size in (1, 2) if method == BASE or method not in all_methods() else (1,):
        for parts in combinations(others, size):
            added = [all_parts()[part] for part in parts]
            if exclusion_among([*records, *added]) is None:
                yield Case(method, parts)


def is_mixture(case: Case) -> bool:
    """Whether equation and parts of the case are tried with every rule elsewhere, in smaller cases.

    A method is an equation and parts. The part that is added is tried with every rule on the method of the same
    equation that has the fewest parts; so is each of a pair. What is left to try is whether they bear each other.
    """
    return len(case.parts) > 1 or (len(case.parts) == 1 and case.method != _plainest(case.method))


@cache
def _plainest(method: str) -> str:
    """The method with the same equation and the fewest parts; a method of a file is its own."""
    equation = recipe(method).method.objective
    same = [name for name, record in all_methods().items() if record.objective is equation]
    return method if method not in same else min(same, key=lambda name: len(recipe(name).parts))


def cases_of(method: str) -> list[Case]:
    """As it is, each switch, each part and pair."""
    return [Case(method), *switched(method), *combined(method)]


def batch(
    rows: int = ROWS,
    *,
    seed: int = 0,
    step: int = 0,
    dtype: torch.dtype = torch.float32,
    first_text: int | None = None,
) -> Views:
    """Two noisy views of each of ``rows`` vectors that share a direction, as encoders' outputs do.

    Near enough to each other that hard negatives are near, equal or harder than the positive in some rows.
    """
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, WIDTH, generator=random, dtype=torch.float64) + 1.0
    anchor, positive = (
        (base + 0.3 * torch.randn(rows, WIDTH, generator=random, dtype=torch.float64)).to(dtype)
        for _ in range(2)
    )
    texts = {}
    if first_text is not None:
        ids = torch.arange(first_text, first_text + rows)
        texts = {"anchor": ids, "positive": ids.clone()}
    rows_B = torch.arange(rows)
    return Views.pair(
        anchor, positive, seed=7, step=step, row_ids=rows_B, text_ids=texts, tokens=tokens(rows, seed)
    )


def with_gradient(views: Views) -> Views:
    """Every view of the trained encoder is a leaf; a companion's is none."""
    return views.with_views(
        **{name: views.by_name[name].detach().clone().requires_grad_() for name in trained_views(views)}
    )


def trained_views(views: Views) -> list[str]:
    """The views that a gradient enters: all but the companions'."""
    sources = {name: split_key(name)[1] for name in views.by_name}
    return [
        name
        for name, source in sources.items()
        if source is None or source == "pooled" or source.startswith("-")
    ]


def gradients(loss: Loss, views: Views) -> tuple[Tensor, Tensor]:
    anchor, positive = torch.autograd.grad(loss.total, [views.anchor, views.positive])
    return anchor, positive


def is_random(case: Case, term: str = "contrast") -> bool:
    """Whether another step gives the same views another value of the term."""
    objective = case.build()
    first, second = (objective(replace(case.batch(), step=step), with_stats=False) for step in (0, 1))
    return not torch.equal(first.terms[term], second.terms[term])
