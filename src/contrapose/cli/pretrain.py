"""``contrapose pretrain``: masked language modelling on plain text, from which training by contrast starts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import Json, Quiet, Resume, RunCorpus, RunFolder, examples
from contrapose.cli.run_view import time_line
from contrapose.cli.settings_options import takes_settings
from contrapose.hints import command
from contrapose.paths import expanded

if TYPE_CHECKING:
    from pydantic import BaseModel

    from contrapose.pretrain.settings import PretrainSettings
    from contrapose.train.api import Run

EXAMPLES = examples(
    "contrapose pretrain wiki.txt.gz --out runs/minilm-mlm --steps 200",
    "contrapose pretrain 'corpus/*.jsonl.gz' --model google-bert/bert-base-uncased --learning-rate 1e-4 "
    "--max-length 128 --out runs/domain",
    "contrapose pretrain notes.txt --layers 4 --width 256 --out runs/small --epochs 3",
    "contrapose pretrain --out runs/domain --resume",
)


def _sections() -> Mapping[str, type[BaseModel]]:
    from contrapose.pretrain.settings import sections

    return sections()


def _names() -> tuple[str, ...]:
    from contrapose.pretrain.settings import KEYS

    return tuple(key for keys in KEYS.values() for key in keys)


@takes_settings(names_of=_names, after="corpus", sections=_sections, panels=True)
def pretrain(
    corpus: RunCorpus = None,
    out: RunFolder = None,
    resume: Resume = False,
    quiet: Quiet = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Teach an encoder the words of your text: masked language modelling, before any training by contrast.

    Words are hidden and have to be filled in; which ones is drawn anew at every step. It starts from a language model
    with its own head, from any other encoder with a new head, or, with --layers and --width, from nothing. The model is
    a whole masked language model, from which `contrapose train --model` starts; the encoder is no better at telling
    sentences apart, often worse, until it was trained by contrast.
    """
    settings = settings_from(
        {"out": out, "corpus": tuple(corpus) if corpus else None, **given}, resume=resume
    )
    run_and_tell(settings, resume=resume, quiet=quiet or json, as_json=json)


def settings_from(options: Mapping[str, Any], *, resume: bool) -> PretrainSettings:
    """A run that is resumed by its folder alone takes the configuration that it was begun with."""
    from contrapose.config import merge
    from contrapose.pretrain.configuration import nested, resolve
    from contrapose.pretrain.settings import KEYS
    from contrapose.train.configuration import read_tables, without_rivals
    from contrapose.train.run_folder import refuse_another_verb

    tables = nested(options)
    out = options["out"]
    if resume and out and not options["corpus"] and (begun := expanded(out) / "config.toml").is_file():
        refuse_another_verb(begun.parent, "pretrain")
        base = without_rivals(read_tables(begun, KEYS), tables)
        return resolve(merge(base, tables), where=f"{begun} and options")
    return resolve(tables, resume=resume)


def run_and_tell(settings: PretrainSettings, *, resume: bool, quiet: bool, as_json: bool) -> None:
    """Pretrain, and show the result. Of several processes, the first one speaks."""
    from contrapose.cli.progress import ProgressView
    from contrapose.pretrain.api import pretrain_with

    first = console.is_first_process()
    with ProgressView(quiet=quiet, speaks=first, lines=True) as view:
        run = pretrain_with(settings, resume=resume, listener=view)
    if not first:
        return
    if as_json:
        facts = {"folder": str(run.folder), "model": str(run.model_folder)}
        console.show_json(
            {**run.summary, "started_from": run.summary["model"], **facts, "notices": list(view.notices)}
        )
    else:
        show(run, settings)
    if run.summary.get("rows_quarantined"):
        raise typer.Exit(PARTIAL)


def show(run: Run, settings: PretrainSettings) -> None:
    """Before and after on held-out text, how long it took, where the model is, and the commands that go on."""
    summary = run.summary
    if summary["loss_after"] is None:
        console.say("No text was held out (too little), so what was learnt was not measured.")
    else:
        before, after = summary["loss_before"], summary["loss_after"]
        console.say(
            f"Of {summary['hidden_words']:,} hidden words of held-out text, {summary['accuracy_after']:.1%} are filled "
            f"in right; before it were {summary['accuracy_before']:.1%}.",
            style="bold",
        )
        columns = {"measured": "text", "before": "number", "after": "number", "change": "number"}
        numbers = (f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")
        console.show(console.table(columns, [["loss of hidden words on held-out text", *numbers]]))
    console.say(time_line(summary))
    speed = f", {summary['rows_per_second']:g} rows per second" if summary.get("rows_per_second") else ""
    processes = f", {summary['processes']} processes" if summary.get("processes", 1) > 1 else ""
    console.say(f"{console.counted(summary['steps'], 'step')}{speed}{processes}")
    if summary.get("rows_quarantined"):
        listed = run.folder / "cache" / "corpus" / "quarantine.jsonl"
        console.say(f"{console.counted(summary['rows_quarantined'], 'row')} could not be read; see {listed}")
    console.say(f"model: {run.model_folder}", style="bold")
    texts = [text for text in settings.data.corpus if text != "-"]
    trained = command(
        "train", *(texts or ["YOUR_TEXT.txt"]), model=run.model_folder, out=f"{run.folder}-contrast"
    )
    labels = "--pairs YOUR_PAIRS.csv    # score, text, text; or --labels, --retrieval, --tasks"
    console.say_commands([trained, f"contrapose evaluate {shlex.quote(str(run.model_folder))} {labels}"])
