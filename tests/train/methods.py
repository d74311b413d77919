"""Any method of the catalogue on the tiny model, with all that it needs beside it: loaded as a run loads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrapose.contract import Needs, Supplies
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.catalogue import all_methods, describe, recipe
from contrapose.objectives.objective import Objective
from contrapose.train.companions import Companions
from contrapose.train.configuration import nested, resolve
from contrapose.train.modules import module_tree
from contrapose.train.step import StepPlan
from contrapose.train.supplies import load_beside
from contrapose.train.vectors_file import read_vectors
from tests.train.runs import NUM_ROWS

#: Ends the name of a method whose teacher is a file of vectors.
FROM_FILE = " from a file"
#: Ends the name of a method that has a classifier beside it.
WITH_LABELS = " with labels"
NUM_CLASSES = 3


def options_of(name: str, model: Path) -> dict[str, Any]:
    """What a method cannot do without: models and files that lie beside the tiny one."""
    if name.endswith(FROM_FILE):
        return {"teacher_vectors": str(model.parent / "vectors.npy")}
    options: dict[str, dict[str, Any]] = {
        "simcse-mlm": {"language_head": "new"},
        "diffcse": {"generator": str(model.parent / "masked-lm")},
        # Below its two layers lie embeddings, where the first token of every text is the same to the bit.
        "sscl": {"num_layers": 1},
        # Few clusters, so that among a batch's rows there are false negatives.
        "ifnd": {"num_clusters": 2, "num_clusterings": 1, "accepted_share": 1.0},
        # Scores that have nothing to do with the texts pull hard: at 0.05 rounding would be pulled twenty times harder.
        "bmembed": {"temperature": 1.0},
        # Of words that the tiny tokenizers know.
        "promptbert": {
            "template": "the team reads {text} on [MASK]",
            "second_template": "a {text} is in [MASK]",
            # What is left of a vector less its template's is small, so its rounding is larger than others'.
            "temperature": 1.0,
        },
    }
    return options.get(name, {})


def with_needs() -> list[str]:
    """The methods that need more than the vectors of their texts, from models and from files."""
    models = [name for name in all_methods() if replace(recipe(name).needs, texts=()) != Needs()]
    return [*models, *with_files(), *with_labels()]


def parts_of(name: str) -> tuple[str, ...]:
    """The parts that the end of a name asks for."""
    return ("classifier",) if name.endswith(WITH_LABELS) else ()


def with_labels() -> list[str]:
    """The supervised method, with a class for every row."""
    return [f"core-tuning{WITH_LABELS}"]


def with_files() -> list[str]:
    """The methods that take a file of vectors in place of a teacher."""
    named = [name for name in all_methods() if "teacher_vectors" in describe(name)[0]["hyperparameters"]]
    assert "kdmcse" in named
    return [f"{name}{FROM_FILE}" for name in named]


@dataclass(frozen=True)
class Ready:
    """An objective with what it needs, the plan that supplies it, and the tree of all that learns."""

    objective: Objective
    plan: StepPlan
    modules: nn.ModuleDict


def ready(method: str, encoder: Encoder, model: Path, plan: StepPlan, **hyperparameters: Any) -> Ready:
    """A method, or one with :data:`FROM_FILE`, on ``encoder`` of the folder ``model``; the dropout of others is off."""
    given = {**options_of(method, model), **hyperparameters}
    name = method.removesuffix(FROM_FILE).removesuffix(WITH_LABELS)
    objective = recipe(name, parts_of(method), given).build(width=encoder.width)
    return supplied(objective, encoder, model, plan)


def supplied(objective: Objective, encoder: Encoder, model: Path, plan: StepPlan) -> Ready:
    precision = "bf16" if plan.bf16 else "fp32"
    given = {"corpus": ("-",), "out": "unused", "model": str(model), "dropout": 0.0, "precision": precision}
    settings = resolve(nested(given))
    beside = load_beside(objective.needs, settings, encoder)
    needed = objective.needs.companions
    files = {each.name: read_vectors(each.vectors, rows=NUM_ROWS) for each in needed if each.vectors}
    companions = Companions(needed, beside.encoders, files) if needed else None
    widths = companions.widths if companions else {}
    objective.attach(
        Supplies(
            width=encoder.width,
            companion_widths=widths,
            networks=beside.networks,
            num_rows=NUM_ROWS,
            num_classes=NUM_CLASSES,
        )
    )
    if objective.refreshes_at(0):
        corpus_ND = torch.randn(NUM_ROWS, encoder.width, generator=torch.Generator().manual_seed(0))
        objective.refresh(0, torch.arange(NUM_ROWS), corpus_ND)
    others = {"companions": companions} if companions else {}
    modules = module_tree(encoder, objective, **others)
    labels_N = torch.arange(NUM_ROWS) % NUM_CLASSES if objective.needs.labels else None
    plan = replace(plan, needs=objective.needs, companions=companions, labels_N=labels_N)
    return Ready(objective, plan, modules)
