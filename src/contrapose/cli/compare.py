"""``contrapose compare``: methods on the same text, over seeds, with what of their differences is no chance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.experiment_options import (
    BatchSize,
    Corpus,
    Data,
    Model,
    Out,
    Seeds,
    Set,
    Steps,
    Tasks,
    can_be_measured,
    given_again,
    setting_of,
    training_options,
)
from contrapose.cli.options import Json, Quiet, examples, one_of, split_words
from contrapose.hints import command, free_folder

if TYPE_CHECKING:
    from contrapose.experiment.compare import Compared

EXAMPLES = examples(
    "contrapose compare notes.txt --data data/senteval --steps 100",
    "contrapose compare corpus/ --methods simcse,focal-infonce,hncse --seeds 5 --data data/senteval "
    "--out runs/methods",
    "contrapose compare corpus/ --data data/scifact --tasks retrieval --baseline start --set learning_rate=3e-5",
)


def compare(
    corpus: Corpus,
    methods: Annotated[
        str, typer.Option(help="Methods of `contrapose methods`.", metavar="METHOD,...")
    ] = "simcse,focal-infonce,hncse-pm,hncse-hnm,hncse",
    baseline: Annotated[
        str | None,
        typer.Option(
            help="What differences are taken to: a method, or start, the encoder before training. "
            "[default: the first method]",
            show_default=False,
        ),
    ] = None,
    seeds: Seeds = 3,
    data: Data = None,
    tasks: Tasks = "sts",
    split: Annotated[str, typer.Option(help="test to report; dev to choose among methods.")] = "test",
    model: Model = "minilm",
    steps: Steps = None,
    batch_size: BatchSize = None,
    set_: Set = None,
    out: Out = "runs/compare",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compare methods: train each with several seeds on the same text, and say which differences are no chance.

    The encoder before training is measured too. Every method is measured as it was trained, not blended with the start
    (--set blend=auto does that). A killed or interrupted comparison goes on with the same command; the
    same command in several terminals, or on several machines with one file system, shares the work. The folder gets
    trials.jsonl (every number comes from it), results.md and results.json.
    """
    from contrapose.cli.trials_view import TrialsView, tell_report, watching
    from contrapose.experiment.compare import Comparison, run_compare
    from contrapose.experiment.compare_report import main_score, write_report

    comparison = Comparison(
        setting=setting_of(corpus, model, tasks, data, one_of("--split", split, ("test", "dev"))),
        methods=split_words(methods),
        seeds=seeds,
        options=training_options(set_, steps=steps, batch_size=batch_size),
        baseline=baseline or "",
    )
    for note in comparison.check():
        console.tell(f"note: {note}", style="yellow")
    with (
        console.muted("contrapose.evaluate.suite"),
        watching(out, TrialsView(quiet=quiet or json, score=main_score)) as view,
    ):
        compared = run_compare(comparison, out, watcher=view, listener=view)
    report = write_report(compared)
    tell_report(report, partial(show, compared), partial(_suggest, compared), json=json, quiet=quiet)


def show(compared: Compared) -> None:
    """The main table, every task, and the verdict in words."""
    from contrapose.experiment.compare_report import facts, title
    from contrapose.experiment.standings_text import (
        HEADER,
        STAR,
        explanation,
        main_rows,
        task_table,
        verdicts,
    )

    found = compared.standings
    for fact in facts(compared):
        console.say(fact, style="dim")
    console.show(_table(list(HEADER), main_rows(found), title(compared)))
    if len(found.columns) > 1:
        console.show(_table(*task_table(found), "every task, mean ± s"))
        console.say(STAR, style="dim")
    for line in verdicts(found):
        console.say(line, style="bold")
    console.say(explanation(found), style="dim")
    for row in found.rows:
        for reason in row.failed:
            console.say(f"{row.method} diverged: {reason}", style="yellow")


def _table(header: list[str], rows: list[list[str]], title: str) -> Any:
    """Columns may share a name, which a mapping cannot hold: a blank tells them apart."""
    columns: dict[str, str] = {}
    for name in header:
        while name in columns:
            name += " "
        columns[name] = "name" if not columns or name == "in words" else "number"
    return console.table(columns, rows, title=title)


def _suggest(compared: Compared) -> None:
    """The last method's learning rate swept, judged on dev; and one run of it for use, trained as it was here."""
    from importlib.util import find_spec

    from contrapose.experiment.checking import options_for

    asked = compared.comparison
    method, setting = asked.methods[-1], asked.setting
    steady = {name: value for name, value in asked.options.items() if name != "learning_rate"}
    mine = options_for(method, asked.options)
    chosen_on_dev = replace(setting, split="dev")
    hints = []
    if find_spec("optuna") is not None and can_be_measured(chosen_on_dev, [method], steady):
        hints.append(
            command(
                "sweep",
                *setting.corpus,
                method=method,
                over="learning_rate=3e-6..1e-4",
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
