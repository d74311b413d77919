"""The methods' own settings in the table of methods: learning rate and hyperparameters of their papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.experiment.recipes import RECIPES

#: The learning rate of methods whose paper gives none for BERT-base.
LEARNING_RATE = 3e-5
#: Those of papers that have no recipe here, since a run of theirs needs more than one command.
LEARNING_RATES: Mapping[str, float] = {"diffcse": 7e-6}
#: A method without a recipe of its own, by the methods that it is put together of.
PARTS_OF: Mapping[str, tuple[str, ...]] = {"hncse": ("hncse-pm", "hncse-hnm")}
#: Methods that learn from queries and documents, which a table of runs on sentences has none of.
OF_PAIRS = ("bmembed",)
#: What a method needs to run from these starts: their tokenizer makes no difference between cases, and the second start
#: is the only language model with their words.
FITTED: Mapping[str, Mapping[str, Any]] = {"cards": {"views": "retrieved"}, "diffcse": {"generator": "start"}}


def paper_options(method: str) -> dict[str, Any]:
    """Learning rate and hyperparameters of the paper for BERT-base; where it gives none, the method's defaults."""
    published: dict[str, Any] = {}
    for name in PARTS_OF.get(method, (method,)):
        for recipe in RECIPES:
            if recipe.name == f"{name}/bert-base":
                published |= {"learning_rate": recipe.learning_rate, **recipe.hyperparameters}
    rate = {"learning_rate": LEARNING_RATES.get(method, LEARNING_RATE)}
    return {"method": method, **rate, **published, **FITTED.get(method, {})}


def without_recipe() -> tuple[str, ...]:
    """The methods whose papers give no learning rate for BERT-base."""
    from contrapose.objectives.catalogue import all_methods

    with_rate = {recipe.name.removesuffix("/bert-base") for recipe in RECIPES} | {*PARTS_OF, *LEARNING_RATES}
    return tuple(name for name in all_methods() if name not in {*with_rate, *OF_PAIRS})


def setting_of(options: Mapping[str, Any]) -> tuple[float, float | None]:
    """Learning rate and temperature of a run, the method's own temperature where the run does not name it."""
    from contrapose.objectives.catalogue import recipe

    usual = getattr(recipe(options["method"]).hyperparameters, "temperature", None)
    return options["learning_rate"], options.get("temperature", usual)
