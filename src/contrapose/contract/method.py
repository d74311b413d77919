"""What an equation returns, what a training step gets, and the record of a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from contrapose.contract.needs import Needs
from contrapose.contract.part import Part
from contrapose.contract.protocol import TrainingProtocol
from contrapose.contract.text_part import TextPart
from contrapose.contract.tiles import TiledOutcome
from contrapose.maths.scores import ScoreTable


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an equation returns: one loss per row, and the table and logits it was made from."""

    loss_B: Tensor
    logits_BC: Tensor
    table: ScoreTable


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a training step and a user get. ``terms`` sum to ``total``; ``stats`` are detached tensors.

    shares: the names of those terms that are made of this process's tokens or rows alone; over all processes they add
    up. row_stats: the names of those statistics that are means over this process's rows.

    Nothing here waits for the device: call ``float()`` on a statistic only where it is logged.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    stats: Mapping[str, Tensor]
    outcome: Outcome | TiledOutcome
    shares: frozenset[str] = frozenset()
    row_stats: frozenset[str] = frozenset()


class Equation(Protocol):
    """A pure function ``(table, views, /, *, hyperparameters) -> Outcome``; each with type and default."""

    __name__: str

    def __call__(self, *table_and_views: Any, **hyperparameters: Any) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Method:
    """The record of a paper.

    parts       by the names of the catalogue, or as classes of its own; ``defaults`` override theirs and the equation's
    text_parts  where the texts of the views come from, unless ``--views`` says otherwise; the data's columns decide
                where it is empty
    protocol    how steps follow one another: plainly, or by a protocol, a name of the catalogue or a class of its own
    needs       of the equation itself, beside what the parts need
    head        the train-only projection that the paper uses, unless ``--head`` says otherwise; None: by the model
    excludes    what it does not go with: the name of a part, text part or protocol -> why, in one sentence
    """

    name: str
    idea: str
    paper: str
    reference: str
    objective: Equation
    parts: tuple[str | type[Part], ...] = ()
    text_parts: tuple[str | type[TextPart], ...] = ()
    protocol: str | type[TrainingProtocol] = TrainingProtocol
    needs: Needs = field(default_factory=Needs)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    head: str | None = None
    excludes: Mapping[str, str] = field(default_factory=dict)
    departures: tuple[str, ...] = ()


def no_rows() -> Tensor:
    """The statistic of an empty selection: not a number, so that a log cannot mistake it for a measurement."""
    return torch.tensor(float("nan"))
