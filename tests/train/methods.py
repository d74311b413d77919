"""Any method of the catalogue on the tiny model, with all that it needs beside it: loaded as a run loads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from contrapose.contract import Supplies
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.catalogue import all_methods, recipe
from contrapose.objectives.objective import Objective
from contrapose.train.companions import Companions
from contrapose.train.modules import module_tree
from contrapose.train.settings import nested, resolve
from contrapose.train.step import StepPlan
from contrapose.train.supplies import load_beside


def options_of(method: str, model: Path) -> dict[str, Any]:
    """What a method cannot do without: models and files that lie beside the tiny one."""
    options: dict[str, dict[str, Any]] = {
        "diffcse": {"generator": str(model.parent / "masked-lm")},
        # Below its two layers lie embeddings, where the first token of every text is the same to the bit.
        "sscl": {"num_layers": 1},
    }
    return options.get(method, {})


def with_needs() -> list[str]:
    """The methods that need more than the vectors of their texts."""
    return [
        name
        for name in all_methods()
        if (needs := recipe(name).needs).tokens or needs.layers or needs.companions or needs.pooled
    ]


@dataclass(frozen=True)
class Ready:
    """An objective with what it needs, the plan that supplies it, and the tree of all that learns."""

    objective: Objective
    plan: StepPlan
    modules: nn.ModuleDict


def ready(method: str, encoder: Encoder, model: Path, plan: StepPlan, **hyperparameters: Any) -> Ready:
    """``method`` on ``encoder``, which was loaded from ``model``; dropout of what is beside it is off."""
    given = {**options_of(method, model), **hyperparameters}
    objective = recipe(method, (), given).build(width=encoder.width)
    return supplied(objective, encoder, model, plan)


def supplied(objective: Objective, encoder: Encoder, model: Path, plan: StepPlan) -> Ready:
    settings = resolve(nested({"corpus": ("-",), "out": "unused", "model": str(model), "dropout": 0.0}))
    beside = load_beside(objective.needs, settings, encoder)
    companions = Companions(objective.needs.companions, beside.encoders) if beside.encoders else None
    widths = companions.widths if companions else {}
    objective.attach(Supplies(width=encoder.width, companion_widths=widths, networks=beside.networks))
    others = {"companions": companions} if companions else {}
    modules = module_tree(encoder, objective, **others)
    return Ready(objective, replace(plan, needs=objective.needs, companions=companions), modules)
