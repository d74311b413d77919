"""What a person sees of the demo: its bars, and at the end the numbers with words, and searches side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contrapose.cli import console
from contrapose.cli.demo_folder import LIBRARY, RESULT, RUNS, STAGES, WHO
from contrapose.cli.demo_questions import METRICS, TASKS
from contrapose.cli.progress import ProgressView
from contrapose.hints import YOUR_TEXT, command, free_folder

GEOMETRY = {
    "alignment": "lower is better",
    "uniformity": "lower is better",
    "mean_cosine": "0 is best",
    "effective_rank": "higher is better",
}


class DemoView(ProgressView):
    """A training is one bar of the demo, as an evaluation is: without the lines that ``contrapose train`` prints."""

    def started(self, first_step: int, num_steps: int, facts: Mapping[str, Any]) -> None:
        self.begin("training", num_steps - first_step, "step")

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        self.advance()

    def finished(self, summary: Mapping[str, Any]) -> None:
        self.end()


def show(result: Mapping[str, Any]) -> None:
    """The numbers before and after, with words; the geometry; the searches side by side."""
    stages = {stage["stage"]: stage for stage in result["stages"]}
    for task, title in TASKS.items():
        heads = {"": "name", **{f"{name} [95% interval]": "number" for name in METRICS.values()}}
        rows = [
            [STAGES[name], *(_interval(stage[task][metric]) for metric in METRICS)]
            for name, stage in stages.items()
        ]
        held_out = f"{title}: {stages['before'][task]['questions']:,} held-out questions"
        console.show(console.table(heads, rows, title=held_out))
        for name in [name for name in RUNS if name in stages]:
            console.say(
                told(WHO[name][0].upper() + WHO[name][1:], stages[name][task]["mrr_at_10"]["vs_before"])
            )
        console.say()
    heads = {"": "name", **{STAGES[name]: "number" for name in stages}, " ": "text"}
    rows = [
        [name.replace("_", " "), *(f"{stage['geometry'][name]:.2f}" for stage in stages.values()), meaning]
        for name, meaning in GEOMETRY.items()
    ]
    console.show(console.table(heads, rows, title="geometry of the held-out texts"))
    console.say("searches over the first lines of public objects", style="bold")
    last = list(stages)[-1]
    heads = {"before": "text", WHO[last]: "text"}
    for search in result["searches"]:
        known = {hit["name"] for hit in search["before"]}
        rows = [
            [_hit(before, known), _hit(after, known)]
            for before, after in zip(search["before"], search[last], strict=True)
        ]
        console.show(console.table(heads, rows, title=f'"{search["query"]}"'))
    console.say(
        "+ was not among the first hits before. Most of these first lines were trained on, as your own text would be; "
        "the numbers above are from held-out objects only."
    )


def _interval(number: Mapping[str, float]) -> str:
    return f"{number['value']:.3f} [{number['low']:.3f}, {number['high']:.3f}]"


def _hit(hit: Mapping[str, Any], known: set[str]) -> str:
    return f"{'' if hit['name'] in known else '+ '}{hit['name']}: {hit['text']}"


def told(who: str, test: Mapping[str, Any]) -> str:
    """A trained encoder against the pretrained one; a difference that could be chance is called so.

    >>> told("Trained", {"verdict": "better", "difference": 0.02, "low": 0.01, "high": 0.03, "p_value": 0.0102})
    'Trained: better than before (MRR@10 +0.020 [+0.010, +0.030], p = 0.0102).'
    """
    amount = f"MRR@10 {test['difference']:+.3f} [{test['low']:+.3f}, {test['high']:+.3f}]"
    words = f"{test['verdict']} {'than' if test['verdict'] in ('better', 'worse') else 'from'} before"
    return f"{who}: {words} ({amount}, p = {test['p_value']:.4f})."


def say_what_next(result: Mapping[str, Any]) -> None:
    """Where the model is, and two commands that use what was made."""
    from contrapose.paths import expanded

    folder = expanded(result["settings"]["out"])
    console.say(f"The model is in {result['model']}, the numbers in {folder / RESULT}.")
    console.say(f"It took {result['seconds'] / 60:.1f} minutes.")
    search = command("search", result["model"], folder / LIBRARY, "split text at commas", top=5)
    again = command("adapt", YOUR_TEXT, out=free_folder("my-run"))
    console.say_commands([search, again])
