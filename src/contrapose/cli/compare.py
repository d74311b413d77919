"""``contrapose compare``: methods on the same text, over seeds, with what of their differences is no chance."""

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
from contrapose.cli.options import Json, Quiet, examples, one_of, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.hints import command, free_folder

if TYPE_CHECKING:
    from contrapose.experiment.compare import Comparison
    from contrapose.experiment.results import Results

EXAMPLES = examples(
    "contrapose compare notes.txt --data data/senteval --steps 100",
    "contrapose compare corpus/ --methods simcse,focal-infonce,hncse --seeds 5 --data data/senteval "
    "--out runs/methods",
    "contrapose compare corpus/ --data data/senteval --address auto --workers 8",
    "contrapose compare corpus/ --data data/scifact --tasks retrieval --baseline start --set learning_rate=3e-5",
)


@takes_settings("model", "steps", "batch_size", after="split")
def compare(
    corpus: Corpus,
    methods: Annotated[
        str, typer.Option(help="Methods of `contrapose methods`.", metavar="METHOD,...")
    ] = "simcse,focal-infonce,hncse-pm,hncse-hnm,hncse",
    baseline: Annotated[
        str | None,
        typer.Option(
            help="What differences are taken to: a method, or start, the pretrained model "
            "(default: the first method)",
            show_default=False,
        ),
    ] = None,
    seeds: Seeds = 3,
    data: Data = None,
    tasks: Tasks = "sts",
    split: Annotated[str, typer.Option(help="test to report; dev to choose among methods.")] = "test",
    set_: Set = None,
    out: Out = "runs/compare",
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Compare methods: train each with several seeds on the same text, and say which differences are no chance.

    The pretrained model is measured too. Every method is measured as it was trained, not blended with it (--set
    blend=auto does that). A killed or interrupted comparison goes on with the same command; the same command in several
    terminals, or on several machines with one file system, shares the work. With --address every trial is a task on a
    Ray cluster whose machines share --out. The folder gets trials.jsonl (every number comes from it), results.md and
    results.json.
    """
    from contrapose.cli.trials_view import run_and_show
    from contrapose.experiment.compare import Comparison

    crew = crew_at(address, workers)
    comparison = Comparison(
        setting=setting_of(corpus, given, tasks, data, one_of("--split", split, ("test", "dev"))),
        methods=split_words(methods),
        seeds=seeds,
        options=training_options(set_, given),
        baseline=baseline or "",
    )
    run_and_show(comparison, out, partial(_suggest, comparison), quiet=quiet, json=json, crew=crew)


def _suggest(comparison: Comparison, results: Results) -> None:
    """A page with charts; the last method's learning rate swept, judged on dev; and one run of it for use."""
    from importlib.util import find_spec

    from contrapose.experiment.checking import options_for

    method, setting = comparison.methods[-1], comparison.setting
    steady = {name: value for name, value in comparison.options.items() if name != "learning_rate"}
    mine = options_for(method, comparison.options)
    chosen_on_dev = replace(setting, split="dev")
    hints = [command("report", results.folder, out="report.html")]
    if can_be_measured(chosen_on_dev, [method], steady):
        hints.append(
            command(
                "sweep",
                *setting.corpus,
                method=method,
                over="learning_rate=3e-6..1e-4",
                search=None if find_spec("optuna") else "random",
                **given_again(setting, options_for(method, steady)),
                out=free_folder("runs/sweep"),
            )
        )
    training = given_again(setting, {"blend": 1.0, **mine})
    training |= {"data": None, "tasks": None}  # it is trained here, not judged
    hints.append(
        command("train", *setting.corpus, method=method, **training, out=free_folder(f"runs/{method}"))
    )
    console.suggest(*hints)
