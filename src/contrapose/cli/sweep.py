"""``contrapose sweep``: how much a method's hyperparameters matter, and where it is good."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.cluster_options import Address, Workers, crew_at
from contrapose.cli.experiment_options import (
    Corpus,
    Data,
    Out,
    Seeds,
    Set,
    Tasks,
    can_be_measured,
    given_again,
    setting_of,
    training_options,
)
from contrapose.cli.options import Json, Quiet, examples, one_of
from contrapose.cli.settings_options import takes_settings
from contrapose.hints import command, free_folder

if TYPE_CHECKING:
    from contrapose.experiment.results import Results
    from contrapose.experiment.sweep import Sweep

EXAMPLES = examples(
    "contrapose sweep notes.txt --method focal-infonce --over temperature=0.01..0.1,margin=0..0.5 "
    "--data data/senteval --steps 100",
    "contrapose sweep corpus/ --method hncse --over 'k=2..20,num_mixtures=10|40|160,gap_threshold=0..0.3' "
    "--search random --trials 40 --seeds 3 --data data/senteval --out runs/hncse",
    "contrapose sweep notes.txt --method hncse-hnm --over learning_rate=1e-6..1e-4 --search grid --points 7",
    "contrapose sweep corpus/ --method simcse --over temperature=0.01..1 --storage postgresql://host/sweeps",
)

#: Below this the luck of a seed is not known well.
ENOUGH_SEEDS = 3


@takes_settings("model", "steps", "batch_size", after="split")
def sweep(
    corpus: Corpus,
    method: Annotated[str, typer.Option(help="A method of `contrapose methods`.", show_default=False)],
    over: Annotated[
        str,
        typer.Option(
            help="Hyperparameters of the method or of the training: ranges a..b, lists a|b|c.",
            metavar="NAME=RANGE,...",
            show_default=False,
        ),
    ],
    search: Annotated[
        str,
        typer.Option(
            help="tpe learns from what was tried (extra sweep); random; grid tries all combinations."
        ),
    ] = "tpe",
    trials: Annotated[int, typer.Option(help="Settings to try with tpe and random.", min=1)] = 20,
    points: Annotated[int, typer.Option(help="Values of each range with grid.", min=2)] = 5,
    seeds: Seeds = 1,
    data: Data = None,
    tasks: Tasks = "sts",
    split: Annotated[str, typer.Option(help="dev; a sweep chooses, and never reads a test split.")] = "dev",
    set_: Set = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="A database that Optuna knows, to be shared by machines: sqlite:///FILE, postgresql://... "
            "(default: a file in --out)",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    out: Out = "runs/sweep",
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Try settings of a method, and say in words where it is good and what of that is noise.

    With --data a development split judges; without it the label-free score of each run does. The method's defaults are
    measured too. The same command goes on where it was stopped, and shares the work in several terminals. With
    --address its trials are tasks on a Ray cluster whose machines share --out.
    """
    from contrapose.cli.trials_view import run_and_show
    from contrapose.experiment.sweep import Sweep

    one_of("--split", split, ("dev", "test"))
    crew = crew_at(address, workers)
    wanted = Sweep(
        setting=setting_of(corpus, given, tasks if data else "", data, split),
        method=method,
        over=over,
        search=one_of("--search", search, ("tpe", "random", "grid")),
        configurations=trials,
        per_range=points,
        seeds=seeds,
        options=training_options(set_, given),
        storage=storage,
    )
    run_and_show(wanted, out, partial(_suggest, wanted), quiet=quiet, json=json, crew=crew)


def _suggest(asked: Sweep, results: Results) -> None:
    """A page with charts; more seeds where the noise is unknown, else the chosen configuration against the pretrained
    model, on test where there is one.
    """
    setting, method = asked.setting, asked.method
    page = command("report", results.folder, out="report.html")
    if asked.seeds < ENOUGH_SEEDS:
        again = command(
            "sweep",
            *setting.corpus,
            method=method,
            over=asked.over,
            search=asked.search if asked.search != "tpe" else None,
            trials=asked.configurations if asked.configurations != 20 else None,
            points=asked.per_range if asked.per_range != 5 else None,
            seeds=ENOUGH_SEEDS,
            **given_again(setting, asked.options),
            storage=asked.storage,
            out=results.folder,
            about="what is measured is kept",
        )
        console.suggest(page, again)
        return
    options = {**asked.options, **results.chosen}
    judged = replace(setting, split="test")
    if setting.data and can_be_measured(judged, [method], options):
        hint = command(
            "compare",
            *setting.corpus,
            methods=method,
            baseline="start",
            **given_again(judged, options),
            out=free_folder("runs/compare"),
        )
    else:
        shared = given_again(setting, {"blend": 1.0, **options}) | {"data": None, "tasks": None}
        hint = command("train", *setting.corpus, method=method, **shared, out=free_folder(f"runs/{method}"))
    console.suggest(page, hint)
