"""What a person sees when a training run ends: before and after, the verdict, where the model is, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.hints import command

if TYPE_CHECKING:
    from contrapose.train.api import Run
    from contrapose.train.settings import RunSettings

#: How a verdict is meant -> its style.
STYLES = {"good": "bold green", "unclear": "bold yellow", "bad": "bold red", "both": "bold magenta"}


def show(run: Run, settings: RunSettings) -> None:
    """What happened, what to do, the numbers, how sure; then what the model is, and the commands that go on."""
    summary = run.summary
    verdict = summary["verdict"]
    console.say(verdict["happened"], style=style_of(verdict["word"]))
    if verdict["advice"]:
        console.say(f"What to do: {verdict['advice']}")
    _scores(summary)
    for part in (verdict["number"], verdict["sure"]):
        if part:
            console.say(part)
    steps = console.counted(summary["steps"], "step") + (
        ", stopped early" if summary.get("stopped_early") else ""
    )
    console.say(time_line(summary))
    speed = f", {summary['rows_per_second']:g} rows per second" if summary.get("rows_per_second") else ""
    processes = f", {summary['processes']} processes" if summary.get("processes", 1) > 1 else ""
    console.say(f"{summary['method']}: {steps}{speed}{processes}; the model is {what_it_is(summary)}")
    if summary.get("rows_quarantined"):
        listed = run.folder / "cache" / "corpus" / "quarantine.jsonl"
        console.say(f"{console.counted(summary['rows_quarantined'], 'row')} could not be read; see {listed}")
    console.say(f"model: {run.model_folder}", style="bold")
    console.say_commands(next_steps(run, settings))


def style_of(word: str) -> str:
    """The style of a verdict's word."""
    from contrapose.selection.reported import TONES

    return STYLES.get(TONES.get(word, ""), "bold")


def _scores(summary: Mapping[str, Any]) -> None:
    """The criterion of the pretrained model and of this one, blended; nothing where the two are one encoder."""
    from contrapose.selection.scores import decimals_of, rise, told
    from contrapose.selection.verdict import is_pretrained, score_of_model

    before, after = summary.get("score_before"), score_of_model(summary)
    if before is None or after is None or is_pretrained(summary):
        return
    places = decimals_of(before, after)
    numbers = (told(before, places), told(after, places), f"{rise(before, after):+.{places}f}")
    columns = {"measured": "text", "before": "number", "after": "number", "change": "number"}
    console.show(console.table(columns, [[summary["criterion_about"], *numbers]]))


def time_line(summary: Mapping[str, Any]) -> str:
    """How long the run took, and its parts that took a second or more.

    >>> time_line({"seconds": 42.4, "training_seconds": 30.0, "looking_seconds": 6.0, "saving_seconds": 0.3})
    'It took 42 s: training 30 s, evaluating held-out text 6 s'
    """
    names = {
        "preparing": "loading and reading",
        "training": "training",
        "looking": "evaluating held-out text",
        "saving": "saving",
        "blending": "judging and blending",
    }
    took = {name: summary.get(f"{part}_seconds", 0.0) for part, name in names.items()}
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items() if seconds >= 1)
    return f"It took {summary.get('seconds', 0.0):.0f} s" + (f": {parts}" if parts else "")


def what_it_is(summary: Mapping[str, Any]) -> str:
    """Which step, and how much of its weights.

    >>> what_it_is({"chosen_step": 8}), what_it_is({"chosen_step": 8, "blend": 0.0})
    ('that of step 8', 'the pretrained model, unchanged')
    """
    from contrapose.selection.verdict import is_pretrained

    if is_pretrained(summary):
        return "the pretrained model, unchanged"
    blend = summary.get("blend", 1.0)
    share = f", blended with the pretrained model ({blend:g} of the trained weights)" if blend < 1 else ""
    return f"that of step {summary['chosen_step']}{share}"


def next_steps(run: Run, settings: RunSettings) -> list[str]:
    """Commands: judge both models on labels, look at what changed, use the model."""
    from contrapose.selection.verdict import is_pretrained

    folder, data = shlex.quote(str(run.folder)), settings.selection.dev_data
    labels = f"--tasks sts,geometry --data {shlex.quote(data)}" if data else "--pairs YOUR_PAIRS.csv"
    about = "" if data else "    # score, text, text; or --labels, --retrieval, --tasks"
    steps = [f"contrapose report {folder} -o report.html"]
    pretrained, unchanged = settings.encoder.model, is_pretrained(run.summary)
    if not unchanged:
        steps = [
            f"contrapose evaluate {shlex.quote(pretrained)} {labels}{about}",
            f"contrapose evaluate {folder} {labels}",
            *steps,
        ]
    model, columns = pretrained if unchanged else run.model_folder, settings.data.columns or ()
    if "-" not in settings.data.corpus and (columns or not _is_pairs(run)):
        texts = settings.data.corpus
        steps.append(command("search", model, *texts, "what you look for", columns=(*columns, None)[0]))
    return steps


def _is_pairs(run: Run) -> bool:
    """Whether the rows of the run's corpus have several texts; which column a search should read is then not known."""
    from contrapose.data.corpus import Corpus
    from contrapose.errors import ContraposeError

    try:
        return len(Corpus.open(run.folder / "cache" / "corpus").columns) > 1
    except ContraposeError:
        return False
