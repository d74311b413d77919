"""What a person sees of an evaluation: the table with intervals, the protocol behind it, and what folders hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.cli import console
from contrapose.hints import command

if TYPE_CHECKING:
    from contrapose.evaluate.results import Average, Result
    from contrapose.evaluate.suite import Evaluation


def show(evaluation: Evaluation) -> None:
    """The table, the means, and what was left out."""
    rows = [
        [
            result.task,
            result.metric,
            number(result.value, result.protocol),
            _interval(result),
            result.protocol,
            f"{result.rows:,}",
            result.text,
        ]
        for result in evaluation.results
    ]
    if rows:
        title = f"{evaluation.model} ({evaluation.fingerprint[:12]}), encoded in {evaluation.precision}"
        columns = {
            "task": "name",
            "metric": "name",
            "value": "number",
            "95% interval": "name",
            "protocol": "name",
            "rows": "number",
            "text": "name",
        }
        console.show(console.table(columns, rows, title=title))
    for notice in dict.fromkeys(line for result in evaluation.results for line in _notices(result)):
        console.say(notice, style="dim")
    for mean in evaluation.averages:
        interval = f" {_brackets(mean.interval, mean.protocol)}" if mean.interval else ""
        console.say(
            f"mean of {_over(mean)} ({mean.protocol}, {mean.metric}): {number(mean.value)}{interval}, "
            f"{mean.rows:,} rows"
        )
    for problem in evaluation.problems:
        console.say(f"{problem.task} was left out: {problem.message}", style="yellow")
    for task in dict.fromkeys(
        result.task for result in evaluation.results if result.details.get("collapsed")
    ):
        console.say(
            f"{task}: undefined, because all texts get (nearly) the same vector: the encoder collapsed",
            style="yellow",
        )
    for result in evaluation.results:
        if result.task == "geometry" and "definition" in result.details:
            console.say(f"{result.metric}: {result.details['definition']}", style="dim")


def explain(evaluation: Evaluation, encoder: Any) -> None:
    """Every detail of the protocol: what was read, how it was scored, and how the encoder made vectors of it."""
    from contrapose.evaluate.explained import definition_of, encoder_of, interval_of

    console.say()
    console.say("How these numbers were made", style="bold")
    console.say(f"encoder: {encoder_of(encoder, evaluation.precision, evaluation.sentences)}")
    by_protocol: dict[str, list[Result]] = defaultdict(list)
    for result in evaluation.results:
        by_protocol[f"{result.protocol} {result.metric}" if _own_words(result) else result.protocol].append(
            result
        )
    for name, results in by_protocol.items():
        console.say(f"{name}: {definition_of(results[0])}")
        if any("interval" in result.details for result in results):
            console.say(f"  interval {interval_of(results[0])}")
        for result in results:
            console.say(f"  {result.task}: {_details(result)}", style="dim")
    if evaluation.averages:
        console.say(
            "means: unweighted, over tasks of one protocol (crosslingual: of one collection); interval 95%: on each "
            "side the root of the summed squared reaches of the tasks, divided by their number"
        )


def _notices(result: Result) -> list[str]:
    """What a person should know of how its file was read."""
    notices: list[str] = result.details.get("notices", [])
    return notices


def _own_words(result: Result) -> bool:
    return result.protocol in ("geometry", "beir", "mteb")


def _details(result: Result) -> str:
    of_split = "" if result.split == "all" else f" of the {result.split} split"
    shown = [f"{result.rows:,} rows{of_split}, {result.text} text"]
    for key, value in result.details.items():
        if key in ("definition", "subsets", "interval", "data_fingerprint", "statistic", "notices"):
            continue
        words = f"{value:.4g}" if isinstance(value, float) else str(value)
        shown.append(f"{key.replace('_', ' ')} {words}")
    if "subsets" in result.details:
        parts = result.details["subsets"].items()
        shown.append(
            "parts " + ", ".join(f"{name} {part['value']:.2f} ({part['rows']})" for name, part in parts)
        )
    return "; ".join(shown)


def list_tasks(folders: Sequence[str], *, json: bool) -> None:
    """Which tasks the folders hold, by group."""
    from contrapose.errors import UsageError
    from contrapose.evaluate.dataset_sources import dataset_sources
    from contrapose.evaluate.groups import GROUPS

    if not folders:
        raise UsageError("--list looks into data folders: give --data DIR, once or several times")
    sources = dataset_sources([Path(folder) for folder in folders])
    if json:
        plain = [
            {"task": s.task, "group": s.group, "splits": list(s.splits), "where": str(s.where)}
            for s in sources
        ]
        console.show_json(plain)
        return
    if not sources:
        console.say("no task found. Understood are: SentEval's layout, BEIR's layout, STS files such as")
        console.say(
            "test.en-de.tsv, and tables (.tsv, .csv) of label, text or score, text, text. --data is the"
        )
        console.say("folder that holds STS, SICK, MR ... (SentEval), or these files and folders themselves")
        return
    rows = [[s.group, s.task, ", ".join(s.splits), str(s.where)] for s in sources]
    console.show(console.table({"group": "name", "task": "name", "splits": "name", "where": "text"}, rows))
    for group in dict.fromkeys(s.group for s in sources):
        console.say(f"{group}: {GROUPS[group]}", style="dim")
    split = "test" if any("test" in s.splits for s in sources) else sources[0].splits[0]
    groups = ",".join(dict.fromkeys(s.group for s in sources if split in s.splits))
    other = split if split != "test" else None
    console.suggest(command("evaluate", "minilm", tasks=groups, data=list(folders), split=other))


def _over(mean: Average) -> str:
    if len(mean.over) == 5 and mean.over[-1] == "STS16":
        return "STS12-16"
    if mean.protocol == "mteb":
        return f"{mean.over[0].partition('.')[0]} ({len(mean.over)} subsets, {mean.split})"
    if mean.protocol == "crosslingual":
        return f"{mean.over[0].split('.')[0]} ({len(mean.over)} language pairs)"
    return ", ".join(mean.over)


def _interval(result: Result) -> str:
    return _brackets(result.details["interval"], result.protocol) if "interval" in result.details else ""


def _brackets(interval: Sequence[float], protocol: str) -> str:
    low, high = interval
    return f"[{number(low, protocol)}, {number(high, protocol)}]"


def number(value: float, protocol: str = "") -> str:
    """Two places; four for a small number of the geometry, which is no percentage; "undefined" for NaN.

    >>> number(8.51129, "crosslingual"), number(0.0220123, "geometry")
    ('8.51', '0.0220')
    """
    if value != value:
        return "undefined"
    return f"{value:.4f}" if protocol == "geometry" and abs(value) < 10 else f"{value:.2f}"
