"""``contrapose federate``: train over clients whose texts stay apart, tried on one machine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.experiment_options import (
    Corpus,
    Data,
    Out,
    Seeds,
    Set,
    Tasks,
    setting_of,
    training_options,
)
from contrapose.cli.options import Json, Model, Quiet, examples, one_of, split_words
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import UsageError
from contrapose.hints import YOUR_PAIRS, command

if TYPE_CHECKING:
    from contrapose.experiment.federation import Federation
    from contrapose.experiment.results import Results

EXAMPLES = examples(
    "contrapose federate minilm notes.txt",
    "contrapose federate minilm corpus/ --clients 20 --clients-per-round 5 --rounds 10 --alpha 0.1 "
    "--data data/senteval",
    "contrapose federate minilm notes.txt --method fedrcl --averaging uniform --out runs/federate",
)

#: Below this the luck of a seed is not known well.
ENOUGH_SEEDS = 3


@takes_settings("batch_size", "learning_rate", "max_length", after="averaging")
def federate(
    model: Model,
    corpus: Corpus,
    clients: Annotated[int, typer.Option(help="Clients that share the text.", min=1)] = 10,
    clients_per_round: Annotated[
        int | None,
        typer.Option(help="Clients drawn for each round (default: half of them).", min=1, show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option(help="Rounds, with an average after each.", min=1)] = 4,
    local_steps: Annotated[int, typer.Option(help="Steps of a client in a round.", min=1)] = 10,
    alpha: Annotated[
        float, typer.Option(help="How alike the clients' topics are: 0.1 hardly, 100 nearly the same.")
    ] = 0.3,
    topics: Annotated[int, typer.Option(help="Topics of the text that clients differ in.", min=1)] = 10,
    averaging: Annotated[
        str, typer.Option(help="A client's share in the average: rows (by its rows) or uniform.")
    ] = "rows",
    method: Annotated[str, typer.Option(help="A method of `contrapose methods`.")] = "simcse",
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="Parts to add to the method.", metavar="PART,...", show_default=False),
    ] = None,
    seeds: Seeds = 1,
    data: Data = None,
    tasks: Tasks = "sts",
    set_: Set = None,
    out: Out = "runs/federate",
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Train over clients whose texts stay apart, and see what that costs beside training on all text in one place.

    The text is dealt to clients by topic. In each round some of them train on their own rows, and their weights are
    averaged. A central run with as many steps is the yardstick; both models are kept. Without --data a label-free score
    on held-out text judges; with it labels do too. The same command goes on where it was stopped, at any step.
    """
    from contrapose.cli.trials_view import run_and_show
    from contrapose.experiment.federation import Federation

    if not alpha > 0:
        raise UsageError(f"--alpha {alpha:g}: give a number above 0, such as 0.3")
    wanted = Federation(
        setting=setting_of(corpus, {"model": model}, tasks if data else "", data, "test"),
        rounds=rounds,
        method=method,
        parts=split_words(with_),
        clients={
            "clients": clients,
            "clients_per_round": clients_per_round or -(-clients // 2),
            "local_steps": local_steps,
            "topics": topics,
            "dirichlet_alpha": alpha,
            "averaging": one_of("--averaging", averaging, ("rows", "uniform")),
        },
        seeds=seeds,
        options=training_options(set_, given),
    )
    run_and_show(wanted, out, partial(_suggest, wanted), quiet=quiet, json=json)


def _suggest(asked: Federation, results: Results) -> None:
    """Labels where there were none; else what the federated run did."""
    folder = results.folder / "federated"
    page = command("report", folder, out="report.html")
    if asked.setting.data:
        console.suggest(page)
        return
    judged = command(
        "evaluate", folder, pairs=YOUR_PAIRS, about="score, text, text; or --labels, --retrieval, --tasks"
    )
    console.suggest(judged, page)
