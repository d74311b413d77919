"""How an equation says that its loss can be computed in tiles, and what it returns then.

    @computed_in_tiles(_in_tiles)
    def simcse(table, views, /, *, temperature=0.05): ...

The form in tiles takes a TiledTable in place of a ScoreTable, and the same hyperparameters. It can be written wherever
a logit is a function of its own cosine alone: then the loss is made of the own cosine and of sums over columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from contrapose.contract.views import Views
from contrapose.maths.tiled import Sums
from contrapose.maths.tiled_table import TiledTable


@dataclass(frozen=True, kw_only=True)
class TiledOutcome:
    """What the form in tiles returns: one loss for each of the table's rows.

    own_logit_B  of the positive
    negatives    sums over all columns that count but the positive, the softmax's logits as the first map
    """

    loss_B: Tensor
    own_logit_B: Tensor
    negatives: Sums
    table: TiledTable


FormInTiles = Callable[..., TiledOutcome]
Why = Callable[[Views, Mapping[str, Any]], str]
_Equation = TypeVar("_Equation", bound=Callable[..., Any])
_ATTRIBUTE = "_contrapose_tiles"


@dataclass(frozen=True)
class Tiles:
    """The form of an equation in tiles, or None; and why it does not serve these views and hyperparameters, a clause,
    '' where it does."""

    form: FormInTiles | None
    why_not: Why


def computed_in_tiles(form: FormInTiles, *, unless: Why | None = None) -> Callable[[_Equation], _Equation]:
    """The decorated equation can be computed by ``form``, unless ``unless(views, hyperparameters)`` says why not."""
    return _marked(Tiles(form, unless or (lambda views, hyperparameters: "")))


def needs_table(why: str) -> Callable[[_Equation], _Equation]:
    """The decorated equation reads the table itself; ``why`` is a clause that follows "since"."""
    return _marked(Tiles(None, lambda views, hyperparameters: why))


def tiles_of(equation: Callable[..., Any]) -> Tiles:
    """What an equation says of itself; one that says nothing needs its table.

    >>> tiles_of(print).why_not(None, {})
    'its equation does not say how it is computed in tiles'
    """
    unknown = Tiles(None, lambda views, given: "its equation does not say how it is computed in tiles")
    said = getattr(equation, _ATTRIBUTE, unknown)
    assert isinstance(said, Tiles)
    return said


def _marked(tiles: Tiles) -> Callable[[_Equation], _Equation]:
    def mark(equation: _Equation) -> _Equation:
        setattr(equation, _ATTRIBUTE, tiles)
        return equation

    return mark
