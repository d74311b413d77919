"""``contrapose train``: from plain text to a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console, run_view
from contrapose.cli.cluster_options import Address, Engine, Workers, crew_of
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import RUN, Json, Quiet, Resume, RunCorpus, RunFolder, examples
from contrapose.cli.settings_options import takes_settings
from contrapose.errors import UsageError
from contrapose.experiment.published_recipe import PublishedRecipe, departures
from contrapose.experiment.recipes import RECIPES, recipe_named
from contrapose.paths import expanded

if TYPE_CHECKING:
    from contrapose.cluster.crew import Crew
    from contrapose.train.settings import RunSettings

EXAMPLES = examples(
    "contrapose train notes.txt --out runs/notes --steps 100",
    "contrapose train 'corpus/*.jsonl.gz' --model minilm --method hncse-hnm --out runs/domain --epochs 1 "
    "--batch-size 64 --dev-data data/senteval",
    "contrapose train pairs.csv --columns title,body --method focal-infonce --with mixed-negatives --set k=5 "
    "--out runs/pairs",
    "contrapose train --recipe simcse/bert-base wiki1m_for_simcse.txt --dev-data data/senteval",
    "contrapose train --out runs/notes --resume",
    "contrapose train corpus/ --out runs/large --engine ray --address auto --workers 4",
)


@takes_settings(after="corpus", panels=True)
def train(
    corpus: RunCorpus = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"All settings of a paper, under which options go: {', '.join(each.name for each in RECIPES)}.",
            rich_help_panel="Model and method",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    out: RunFolder = None,
    resume: Resume = False,
    config: Annotated[
        str | None,
        typer.Option(
            help="TOML file; options go before it.", rich_help_panel=RUN, metavar="FILE", show_default=False
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any key of the configuration, or a hyperparameter of the method; goes before all.",
            rich_help_panel=RUN,
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Train a sentence encoder on your own text; no labels are needed.

    The run's folder gets config.toml, env.json, metrics.jsonl, checkpoints/ and model/. A configuration file, then
    options, then --set: what comes later wins, and each over --recipe. Exit code 3 means that it is done, and that rows
    could not be read. With --engine ray the workers are the processes of one training, as torchrun starts them.
    """
    crew = crew_of(engine, address, workers)
    options = {"out": out, "corpus": tuple(corpus) if corpus else None, **given}
    chosen = None if recipe is None else recipe_named(recipe)
    settings = settings_from(config, options, set_ or (), recipe=chosen, resume=resume)
    for departure in departures(chosen, settings) if chosen is not None else ():
        console.tell(f"note: not the paper's recipe: {departure}", style="yellow")
    run_and_tell(settings, resume=resume, quiet=quiet or json, as_json=json, crew=crew)


def settings_from(
    config: str | None,
    flags: Mapping[str, Any],
    assignments: Sequence[str],
    *,
    recipe: PublishedRecipe | None = None,
    resume: bool = False,
) -> RunSettings:
    """The settings of a run: the recipe's, the file's, flags, ``--set``; each goes before those named earlier.

    A run that is resumed by its folder alone takes the configuration that it was begun with.
    """
    from contrapose.config import merge
    from contrapose.train.configuration import (
        nested,
        parse_assignments,
        read_tables,
        resolve,
        without_rivals,
    )
    from contrapose.train.run_folder import refuse_another_verb
    from contrapose.train.settings import SECTIONS

    out = flags["out"] or (recipe.preset(dev_data=False)["out"] if recipe is not None else "")
    by_folder = resume and config is None and out and not flags["corpus"]
    if by_folder and (begun := expanded(out) / "config.toml").is_file():
        refuse_another_verb(begun.parent, "train")
        config = str(begun)
    try:
        options = merge(nested(flags), nested(parse_assignments(assignments)))
    except (TypeError, AttributeError):
        raise UsageError(f"--set: these contradict each other: {', '.join(assignments)}") from None
    base = without_rivals(read_tables(config, SECTIONS), options) if config is not None else {}
    if recipe is not None:
        above = merge(base, options)
        dev_data = above.get("selection", {}).get("dev_data") is not None
        base = merge(without_rivals(nested(recipe.preset(dev_data=dev_data)), above), base)
    return resolve(base, options, where=f"{config} and options" if config else "options")


def run_and_tell(
    settings: RunSettings, *, resume: bool, quiet: bool, as_json: bool, crew: Crew | None = None
) -> None:
    """Train, and show the result. Of several processes, the first one speaks."""
    from contrapose.cli.progress import ProgressView
    from contrapose.train.api import train_with

    first = console.is_first_process()
    with ProgressView(quiet=quiet, speaks=first, lines=True) as view:
        if crew is None:
            run = train_with(settings, resume=resume, listener=view)
        else:
            from contrapose.cluster.training import train_on

            run = train_on(crew, settings, resume=resume, listener=view)
    if not first:
        return
    if as_json:
        facts = {"folder": str(run.folder), "model": str(run.model_folder)}
        console.show_json(
            {**run.summary, "started_from": run.summary["model"], **facts, "notices": list(view.notices)}
        )
    else:
        run_view.show(run, settings)
    if run.summary.get("rows_quarantined"):
        raise typer.Exit(PARTIAL)
