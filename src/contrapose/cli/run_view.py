"""What a person sees when a training run ends: before and after, the verdict, where the model is, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contrapose.cli import console

if TYPE_CHECKING:
    from contrapose.train.api import Run
    from contrapose.train.settings import RunSettings

#: Word of a verdict -> its style.
STYLES = {"helps": "bold green", "no clear change": "bold yellow", "harms": "bold red"}


def show(run: Run, settings: RunSettings) -> None:
    """The scores, the verdict, what the model is, and the commands that go on from here."""
    summary = run.summary
    _scores(summary)
    verdict = summary.get("verdict") or {}
    if verdict:
        console.say(verdict["text"], style=STYLES.get(verdict["word"], ""))
        if verdict.get("advice"):
            console.say(f"What to do: {verdict['advice']}")
    steps = console.counted(summary["steps"], "step") + (
        ", stopped early" if summary.get("stopped_early") else ""
    )
    console.say(time_line(summary))
    speed = f", {summary['rows_per_second']:g} rows per second" if summary.get("rows_per_second") else ""
    console.say(f"{summary['method']}: {steps}{speed}; the model is {_what_it_is(summary)}")
    if summary.get("rows_quarantined"):
        listed = run.folder / "cache" / "corpus" / "quarantine.jsonl"
        console.say(f"{console.counted(summary['rows_quarantined'], 'row')} could not be read; see {listed}")
    console.say(f"model: {run.model_folder}", style="bold")
    console.say("Try next:")
    for command in next_steps(run, settings):
        console.say(f"  {command}")


def _scores(summary: Mapping[str, Any]) -> None:
    """The criterion at the start and of the model, as it was blended."""
    before, blend = summary.get("score_before"), summary.get("blend", 1.0)
    after = (summary.get("blend_scores") or {}).get(f"{blend:g}", summary.get("score_chosen"))
    if before is None or after is None:
        return
    places = (
        4 if max(abs(before), abs(after)) < 1 else 2
    )  # a label-free gain is small, a score in points is not
    numbers = (f"{before:.{places}f}", f"{after:.{places}f}", f"{after - before:+.{places}f}")
    rows = [[summary["criterion_about"], *numbers]]
    columns = {"measured": "text", "before": "number", "after": "number", "change": "number"}
    console.show(console.table(columns, rows))


def time_line(summary: Mapping[str, Any]) -> str:
    """How long the run took, and its parts that took a second or more.

    >>> time_line({"seconds": 42.4, "training_seconds": 30.0, "looking_seconds": 6.0, "saving_seconds": 0.3})
    'It took 42 s: training 30 s, looking at held-out text 6 s'
    """
    names = {
        "preparing": "loading and reading",
        "training": "training",
        "looking": "looking at held-out text",
        "saving": "saving",
        "blending": "judging and blending",
    }
    took = {told: summary.get(f"{part}_seconds", 0.0) for part, told in names.items()}
    parts = ", ".join(f"{told} {seconds:.0f} s" for told, seconds in took.items() if seconds >= 1)
    return f"It took {summary.get('seconds', 0.0):.0f} s" + (f": {parts}" if parts else "")


def _what_it_is(summary: Mapping[str, Any]) -> str:
    """Which step, and how much of its weights.

    >>> _what_it_is({"chosen_step": 8}), _what_it_is({"chosen_step": 8, "blend": 0.0})
    ('that of step 8', 'the start, unchanged')
    """
    blend = summary.get("blend", 1.0)
    if blend == 0:
        return "the start, unchanged"
    share = f", blended with the start ({blend:g} of the trained weights)" if blend < 1 else ""
    return f"that of step {summary['chosen_step']}{share}"


def next_steps(run: Run, settings: RunSettings) -> list[str]:
    """Commands: judge both models on labels, look at what changed, use the model."""
    folder, data = shlex.quote(str(run.folder)), settings.selection.dev_data
    labels = f"--tasks sts,geometry --data {shlex.quote(data)}" if data else "--pairs YOUR_PAIRS.csv"
    about = "" if data else "    # score, text, text; or --labels, --retrieval, --tasks"
    steps = [f"contrapose report {folder} -o report.html"]
    if run.summary.get("blend") != 0:
        start = shlex.quote(settings.encoder.model)
        steps = [
            f"contrapose evaluate {start} {labels}{about}",
            f"contrapose evaluate {folder} {labels}",
            *steps,
        ]
    text, model = settings.data.corpus[0], shlex.quote(str(run.model_folder))
    if text != "-" and len(settings.data.columns or ()) < 2:
        steps.append(f"contrapose search {model} {shlex.quote(text)} 'what you look for'")
    return steps
