"""``contrapose reproduce``: rows of the papers' tables, with the papers' recipes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.experiment_options import Data, Seeds
from contrapose.cli.options import Json, Quiet, examples, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.hints import SENTEVAL, command, free_folder

if TYPE_CHECKING:
    from contrapose.experiment.reproduce import Reproduction
    from contrapose.experiment.results import Results

EXAMPLES = examples(
    "contrapose reproduce",
    "contrapose reproduce focal-infonce/bert-base --corpus wiki1m_for_simcse.txt --data data/senteval",
    "contrapose reproduce simcse/roberta-large --model models/roberta-large --chunk-size 64 --data data/senteval",
    "contrapose reproduce simcse/bert-base --model minilm --corpus notes.txt --steps 20 --seeds 1 "
    "--data data/senteval",
)

_OF_THE_RECIPE = {"model": "the recipe's", "batch_size": "the recipe's"}


@takes_settings("model", "steps", "batch_size", "chunk_size", after="data", defaults=_OF_THE_RECIPE)
def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A row, such as focal-infonce/bert-base; without it, all are listed.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="The million Wikipedia sentences, or what stands in for them.", metavar="FILE")
    ] = "wiki1m_for_simcse.txt",
    data: Data = None,
    seeds: Seeds = 3,
    tasks: Annotated[
        str | None,
        typer.Option(
            help="Some of the tasks only: seven of STS, seven of transfer.",
            metavar="TASK,...",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(help="Folder of the experiment (default: runs/reproduce/NAME).", show_default=False),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Repeat a row of a paper's table with the paper's recipe, and say how far the result is from it.

    Backbones come from the hub, or from --model: a downloaded copy, or what stands in for it. On a processor without a
    GPU a row takes days; a stand-in with --steps shows that everything works. With another model, --steps or
    --batch-size it is not the recipe, and says so. The same command goes on where it was stopped.
    """
    from contrapose.experiment.published_recipe import TASKS, TRANSFER
    from contrapose.experiment.recipes import recipe_named

    if name is None:
        _list(json)
        return
    from contrapose.cli.trials_view import run_and_show
    from contrapose.experiment.reproduce import Reproduction

    wanted = Reproduction(
        recipe=recipe_named(name),
        corpus=corpus,
        data=tuple(data or ()),
        seeds=seeds,
        tasks=split_words(tasks) or (*TASKS, *TRANSFER),
        options={name: value for name, value in given.items() if name == "chunk_size"},
        **{name: value for name, value in given.items() if name != "chunk_size"},
    )
    run_and_show(wanted, out or f"runs/reproduce/{name}", partial(_suggest, wanted), quiet=quiet, json=json)


def _list(json: bool) -> None:
    from contrapose.experiment.published_recipe import CORPUS
    from contrapose.experiment.recipes import RECIPES
    from contrapose.experiment.reproduce import recipe_json

    if json:
        console.show_json([recipe_json(recipe) for recipe in RECIPES])
        return
    rows = [
        [
            recipe.name,
            recipe.backbone,
            recipe.batch_size,
            f"{recipe.learning_rate:g}",
            ", ".join(f"{name} {value}" for name, value in recipe.hyperparameters.items()),
            "-" if recipe.average is None else f"{recipe.average:.2f}",
        ]
        for recipe in RECIPES
    ]
    kinds = {"name": "name", "backbone": "text", "batch": "number", "rate": "number", "hyperparameters": "text",
             "reported mean": "number"}  # fmt: skip
    console.show(console.table(kinds, rows, title="Rows of the papers' tables"))
    console.say(
        "Each over seven STS tasks and seven transfer tasks, three seeds, one epoch of a million Wikipedia "
        "sentences. The reported mean is that of STS.",
        style="dim",
    )
    console.suggest(
        command("reproduce", RECIPES[0].name, corpus=CORPUS, data=[SENTEVAL]),
        command("reproduce", json=True, about="recipes, sources, what the papers report"),
    )


def _suggest(wanted: Reproduction, results: Results) -> None:
    from contrapose.experiment.published_recipe import CORPUS

    if not results.json["is_the_recipe"]:
        name = wanted.recipe.name
        corpus = wanted.corpus if Path(wanted.corpus).name == CORPUS else CORPUS
        recipe = {"corpus": corpus, "data": wanted.data, **wanted.options}
        free = free_folder(usual := f"runs/reproduce/{name}")
        recipe["out"] = free if free != usual else None
        console.suggest(command("reproduce", name, **recipe, about="the recipe itself"))
    else:
        console.suggest(command("runs", kind="trial"))
