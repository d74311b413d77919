"""``contrapose train``: from plain text to a model folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console, run_view
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import Json, Quiet, examples, split_words
from contrapose.errors import UsageError
from contrapose.experiment.recipes import RECIPES, PublishedRecipe, departures, recipe_named
from contrapose.paths import expanded

if TYPE_CHECKING:
    from contrapose.train.settings import RunSettings

EXAMPLES = examples(
    "contrapose train notes.txt --out runs/notes --steps 100",
    "contrapose train 'corpus/*.jsonl.gz' --model minilm --method hncse-hnm --out runs/domain --epochs 1 "
    "--batch-size 64 --dev-data data/senteval",
    "contrapose train pairs.csv --columns title,body --method focal-infonce --with mixed-negatives --set k=5 "
    "--out runs/pairs",
    "contrapose train --recipe simcse/bert-base wiki1m_for_simcse.txt --dev-data data/senteval",
    "contrapose train --out runs/notes --resume",
)

DATA, METHOD, TRAINING = "Text", "Method", "Training"
SELECTION, SAVING = "Choosing the checkpoint", "Run"


def option(help: str, panel: str, *names: str, metavar: str | None = None) -> Any:
    """An option that is None unless given, so that a configuration file may say it instead."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False)


def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            help="Text: files, folders or globs of .txt .jsonl .csv .tsv .parquet, each also .gz; - is standard input.",
            metavar="CORPUS...",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str | None, option("minilm (default), a folder, or a hub name.", METHOD)] = None,
    method: Annotated[
        str | None,
        option("hncse-hnm (default), another of `contrapose methods`, or a FILE.py of yours.", METHOD),
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            f"All numbers of a paper, under which options go: {', '.join(each.name for each in RECIPES)}.",
            METHOD,
            metavar="NAME",
        ),
    ] = None,
    with_: Annotated[
        list[str] | None, option("Parts to add to the method.", METHOD, "--with", metavar="PART,...")
    ] = None,
    out: Annotated[
        str | None, option("The run's folder: it gets the model, metrics, checkpoints.", SAVING)
    ] = None,
    steps: Annotated[int | None, option("Steps to train, instead of epochs.", TRAINING)] = None,
    epochs: Annotated[float | None, option("Passes over the text (default 1).", TRAINING)] = None,
    batch_size: Annotated[
        int | None, option("Rows per step: more rows, more negatives (default 64).", TRAINING)
    ] = None,
    chunk_size: Annotated[
        int | None, option("Texts per forward pass: less memory, the same result.", TRAINING)
    ] = None,
    learning_rate: Annotated[float | None, option("Default 1e-5.", TRAINING)] = None,
    max_length: Annotated[
        int | None, option("Tokens kept of a text in training (default 32).", TRAINING)
    ] = None,
    seed: Annotated[int | None, option("Default 0.", TRAINING)] = None,
    precision: Annotated[str | None, option("auto (default), fp32 or bf16.", TRAINING)] = None,
    device: Annotated[str | None, option("auto (default), cpu, cuda or cuda:N.", TRAINING)] = None,
    views: Annotated[
        str | None, option("Where the second view comes from: auto (default), dropout, crop or pairs.", DATA)
    ] = None,
    columns: Annotated[
        str | None, option("Columns to read: text, or anchor, positive, negatives.", DATA, metavar="NAME,...")
    ] = None,
    held_out_rows: Annotated[
        int | None, option("Rows kept from training, to choose without labels (default 1,000).", SELECTION)
    ] = None,
    pooling: Annotated[
        str | None,
        option("cls, cls_before_pooler, avg, avg_first_last or avg_top2 (default: the model's).", METHOD),
    ] = None,
    head: Annotated[str | None, option("Train-only projection: none, linear-tanh or mlp-bn.", METHOD)] = None,
    dropout: Annotated[float | None, option("Replaces every dropout of the model.", METHOD)] = None,
    dev_data: Annotated[
        str | None, option("SentEval folder; its STS-B development set then chooses.", SELECTION)
    ] = None,
    eval_every: Annotated[
        int | None,
        option(
            "Steps between evaluations (default: a quarter of the run, 125 at most; fewer in a very short run).",
            SELECTION,
        ),
    ] = None,
    patience: Annotated[
        int | None, option("Stop after so many evaluations without a new best.", SELECTION)
    ] = None,
    criterion: Annotated[
        str | None, option("auto (default), stsb-dev, label-free, or none for the last step.", SELECTION)
    ] = None,
    blend: Annotated[
        str | None,
        option(
            "Share of the trained weights in the model, 0 to 1; the rest is the start's. auto: chosen by the "
            "criterion.",
            SELECTION,
            metavar="auto|0..1",
        ),
    ] = None,
    save_every: Annotated[int | None, option("Steps between checkpoints (default 100).", SAVING)] = None,
    tensorboard: Annotated[bool, option("Write TensorBoard files too.", SAVING, "--tensorboard")] = False,
    resume: Annotated[bool, option("Go on from the newest checkpoint in --out.", SAVING, "--resume")] = False,
    config: Annotated[str | None, option("TOML file; flags go before it.", SAVING, metavar="FILE")] = None,
    set_: Annotated[
        list[str] | None,
        option(
            "Any key of the configuration, or a number of the method; goes before all.",
            SAVING,
            "--set",
            metavar="KEY=VALUE",
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a sentence encoder on your own text; no labels are needed.

    The run's folder gets config.toml, env.json, metrics.jsonl, checkpoints/ and model/. A configuration file, then
    flags, then --set: what comes later wins, and each over --recipe. Exit code 3 means that it is done, and that rows
    could not be read.
    """
    from contrapose.config import parse_value

    flags = {
        "out": out, "corpus": tuple(corpus) if corpus else None, "columns": split_words(columns) or None,
        "views": views, "held_out_rows": held_out_rows, "model": model, "pooling": pooling, "head": head,
        "dropout": dropout, "method": method, "parts": split_words(with_) or None, "steps": steps, "epochs": epochs,
        "batch_size": batch_size, "chunk_size": chunk_size, "learning_rate": learning_rate, "max_length": max_length,
        "seed": seed, "precision": precision, "device": device, "criterion": criterion, "dev_data": dev_data,
        "eval_every": eval_every, "patience": patience,
        "blend": None if blend is None else parse_value(blend), "save_every": save_every,
        "tensorboard": tensorboard or None,
    }  # fmt: skip
    chosen = None if recipe is None else recipe_named(recipe)
    settings = settings_from(config, flags, set_ or (), recipe=chosen, resume=resume)
    for departure in departures(chosen, settings) if chosen is not None else ():
        console.tell(f"note: not the paper's recipe: {departure}", style="yellow")
    run_and_tell(settings, resume=resume, quiet=quiet or json, as_json=json)


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
    from contrapose.train.settings import nested, parse_assignments, resolve

    out = flags["out"] or (recipe.preset(dev_data=False)["out"] if recipe is not None else "")
    begun = Path(out, "config.toml")
    if resume and config is None and out and not flags["corpus"] and begun.is_file():
        config = str(begun)
    try:
        options = merge(nested(flags), nested(parse_assignments(assignments)))
    except (TypeError, AttributeError):
        raise UsageError(f"--set: these contradict each other: {', '.join(assignments)}") from None
    base = _without_rivals(_tables(config), options) if config is not None else {}
    if recipe is not None:
        above = merge(base, options)
        dev_data = above.get("selection", {}).get("dev_data") is not None
        base = merge(_without_rivals(nested(recipe.preset(dev_data=dev_data)), above), base)
    return resolve(base, options, where=f"{config} and options" if config else "options")


def _tables(config: str) -> dict[str, Any]:
    from contrapose.config import read_toml
    from contrapose.train.settings import SECTIONS

    tables = read_toml(expanded(config))
    for section in SECTIONS:
        if not isinstance(tables.get(section, {}), dict):
            raise UsageError(f"{config}: '{section}' must be a table: write [{section}] above its keys")
    return tables


def _without_rivals(base: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Steps and epochs say the same thing twice: one that is given as an option replaces the other in the file."""
    given = options.get("training", {})
    if "steps" not in given and "epochs" not in given:
        return base
    kept = {key: value for key, value in base.get("training", {}).items() if key not in ("steps", "epochs")}
    return {**base, "training": kept}


def run_and_tell(settings: RunSettings, *, resume: bool, quiet: bool, as_json: bool) -> None:
    """Train, and show the result. Of several processes, the first one speaks."""
    from contrapose.cli.progress import ProgressView
    from contrapose.train.api import train_with

    first = console.is_first_process()
    with ProgressView(quiet=quiet, speaks=first, lines=True) as view:
        run = train_with(settings, resume=resume, listener=view)
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
