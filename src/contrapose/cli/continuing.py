"""``contrapose continue``: a model learns new text; what did it learn, and what did it forget of the earlier?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.experiment_options import Data, Seeds, Set, training_options
from contrapose.cli.options import Json, Quiet, examples, one_of, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.hints import YOUR_DATA, assignments, command

if TYPE_CHECKING:
    from contrapose.experiment.continuing import Continuation
    from contrapose.experiment.results import Results

EXAMPLES = examples(
    "contrapose continue runs/code/model medical.txt --earlier code.txt",
    "contrapose continue runs/code/model medical.txt banking.txt --earlier code.txt --steps 200 --seeds 3",
    "contrapose continue runs/code/model medical.txt --earlier code.txt --data data/medical --tasks pairs",
)


@takes_settings("steps", "batch_size", after="split")
def continuing(
    model: Annotated[
        str,
        typer.Argument(
            help="The model that was trained on the earlier text: a folder or a name.", metavar="MODEL"
        ),
    ],
    corpus: Annotated[
        list[str],
        typer.Argument(
            help="New text, as for `contrapose train`; several are learnt one after the other.",
            metavar="CORPUS...",
            show_default=False,
        ),
    ],
    earlier: Annotated[
        list[str],
        typer.Option(
            help="The text that the model was trained on, or more of its kind; may be given several times.",
            metavar="CORPUS",
            show_default=False,
        ),
    ],
    seeds: Seeds = 1,
    data: Data = None,
    tasks: Annotated[
        str,
        typer.Option(
            help="Groups or single tasks of --data, as for `contrapose evaluate`.", metavar="TASK,..."
        ),
    ] = "sts",
    split: Annotated[str, typer.Option(help="Split of --data: test to report, dev to choose.")] = "test",
    set_: Set = None,
    out: Annotated[
        str, typer.Option(help="Folder of the work: the runs, their models, and the results.")
    ] = "runs/continue",
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Go on with new text without forgetting the earlier: by pnr, beside plain training and no training.

    A tenth of each new text, 1,000 rows at most, is held out of all training; on these rows, on up to 1,000 of the
    earlier text, and on labelled tasks where --data are given, every model is compared with the one that it was before.
    Every run lies in the folder and can be used. A killed or interrupted continuation goes on with the same command,
    and what is done is not repeated.
    """
    from contrapose.cli.trials_view import run_and_show
    from contrapose.experiment.continuing import Continuation
    from contrapose.experiment.measuring import Setting

    asked = Continuation(
        setting=Setting(
            corpus=tuple(corpus),
            model=model,
            tasks=split_words(tasks) if data else (),
            data=tuple(data or ()),
            split=one_of("--split", split, ("test", "dev")),
        ),
        corpora=tuple(corpus),
        earlier=tuple(earlier),
        seeds=seeds,
        options=training_options(set_, given),
    )
    run_and_show(asked, out, partial(_suggest, asked), quiet=quiet, json=json)


def _suggest(asked: Continuation, results: Results) -> None:
    """Use the model; or be surer: more seeds, labelled tasks."""
    model, setting = results.json["model"], asked.setting
    hints = []
    if model is not None:
        hints.append(
            command("search", model, asked.corpora[-1], "what you look for", about="the model of pnr")
        )
        if not setting.data:
            hints.append(command("evaluate", model, data=[YOUR_DATA], about="labelled tasks say more"))
    if asked.seeds == 1:
        again = {"earlier": list(asked.earlier), "seeds": 3, "data": list(setting.data)}
        again |= {"tasks": ",".join(setting.tasks) or None, "out": results.folder, **_training(asked)}
        hints.append(
            command("continue", setting.model, *asked.corpora, **again, about="what is done is not repeated")
        )
    else:
        hints.append(command("report", results.folder / "runs", out="report.html"))
    console.suggest(*hints)


def _training(asked: Continuation) -> dict[str, Any]:
    shown = {name: asked.options.get(name) for name in ("steps", "batch_size")}
    others = {name: value for name, value in asked.options.items() if name not in shown}
    return {**shown, "set_": assignments(others)}
