"""``contrapose runs``: what the ledger holds: list, look at one, compare two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.options import Json, examples, one_of, paragraphs
from contrapose.errors import UsageError
from contrapose.hints import SENTEVAL, command

if TYPE_CHECKING:
    from contrapose.ledger import Entry, Ledger

EXAMPLES = examples(
    "contrapose runs",
    "contrapose runs --kind evaluation --match minilm --last 5",
    "contrapose runs show 3f9a",
    "contrapose runs compare 3f9a 81c2",
)
#: Numbers of an evaluation that fit into its line.
SHOWN = 4


def runs(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option(help="run, evaluation or trial only.", show_default=False)
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(
            help="Entries whose record holds this text (a model, a method, a task).", show_default=False
        ),
    ] = None,
    last: Annotated[int, typer.Option(help="How many, the newest.", min=1)] = 20,
    json: Json = False,
) -> None:
    """List what was trained and evaluated, newest last; look at an entry, or compare two evaluations."""
    if context.invoked_subcommand is not None:
        return
    import json as jsons

    from contrapose.experiment.paired_evaluations import pair_to_compare
    from contrapose.ledger import KINDS

    if kind is not None:
        one_of("--kind", kind, KINDS)
    ledger = _ledger()
    matching = [
        entry
        for entry in ledger.entries(kind)
        if match is None or match.lower() in jsons.dumps(entry.to_json(), ensure_ascii=False).lower()
    ]
    shown = matching[-last:]
    if json:
        console.show_json([entry.to_json() for entry in shown])
        return
    if not shown:
        console.say(f"nothing in {ledger.path}" + (" that matches" if match or kind else " yet"))
        console.suggest(command("evaluate", "minilm", data=[SENTEVAL]))
        return
    rows = [[entry.id, entry.time, entry.kind, _name(entry), _about(entry)] for entry in shown]
    columns = {"id": "name", "time": "name", "kind": "name", "what": "name", "numbers": "text"}
    console.show(
        console.table(columns, rows, title=f"{len(shown)} of {len(matching)} entries of {ledger.path}")
    )
    pair = pair_to_compare(ledger, shown)
    if pair is not None:
        console.suggest(command("runs compare", pair[0].id, pair[1].id))
    else:
        console.suggest(command("runs show", shown[-1].id))


def show(
    entry: Annotated[str, typer.Argument(help="The id, or its beginning.", metavar="ID", show_default=False)],
) -> None:
    """Print one entry whole, as JSON."""
    console.show_json(_ledger().find(entry).to_json())


def compare(
    before: Annotated[str, typer.Argument(help="The id of an evaluation.", metavar="ID", show_default=False)],
    after: Annotated[
        str, typer.Argument(help="The id of another, of the same data.", metavar="ID", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Compare two evaluations on the same rows: paired differences, and which of them could be chance."""
    from contrapose.experiment.paired_evaluations import compare_evaluations, mean_change

    ledger = _ledger()
    first, second = ledger.find(before), ledger.find(after)
    changes = compare_evaluations(ledger, first, second)
    if json:
        console.show_json([_plain(change) for change in changes])
        return
    rows = [
        [
            change.task,
            change.metric,
            f"{change.before:.2f}",
            f"{change.after:.2f}",
            f"{change.test.difference:+.2f}",
            f"[{change.test.low:+.2f}, {change.test.high:+.2f}]",
            f"{change.p_corrected:.3f}",
            change.words,
        ]
        for change in changes
    ]
    kinds = ("name", "name", "number", "number", "number", "name", "number", "name")
    names = ("task", "metric", "before", "after", "difference", "95% interval", "p, corrected", "in words")
    title = f"from {_name(first)} ({first.id}) to {_name(second)} ({second.id})"
    console.show(console.table(dict(zip(names, kinds, strict=True)), rows, title=title))
    counts = [
        sum(change.words == word for change in changes) for word in ("better", "worse", "no clear change")
    ]
    console.say(
        f"better in {counts[0]}, worse in {counts[1]}, no clear change in {counts[2]} of {len(changes)}; "
        f"mean difference {mean_change(changes):+.2f}"
    )
    if first.body.get("fingerprint") == second.body.get("fingerprint"):
        console.say(
            f"Both are evaluations of one encoder ({str(first.body.get('fingerprint'))[:12]}): a run that handed out "
            "its pretrained model left nothing to compare.",
            style="bold",
        )
    console.say(
        "Differences are on the same rows (paired bootstrap; p by letting the models change places, corrected for "
        f"{len(changes)} comparisons after Holm).",
        style="dim",
    )


def _ledger() -> Ledger:
    from contrapose.ledger import VARIABLE, Ledger

    ledger = Ledger.usual()
    if ledger is None:
        raise UsageError(f"the ledger is switched off ({VARIABLE}=off)")
    return ledger


def _name(entry: Entry) -> str:
    if entry.kind == "run":
        summary = entry.body.get("summary", {})
        return f"{summary.get('method')} from {summary.get('model')}, seed {summary.get('seed')}"
    return str(entry.body.get("model", entry.body.get("name", "")))


def _about(entry: Entry) -> str:
    if entry.kind == "run":
        from contrapose.selection.verdict import is_pretrained

        summary = entry.body.get("summary", {})
        kept = "; the model is the pretrained model, unchanged" if is_pretrained(summary) else ""
        return f"{summary.get('steps')} steps on {summary.get('rows')} rows{kept}; {entry.body.get('folder')}"
    results: list[dict[str, Any]] = entry.body.get("results", [])
    tasks = [result["task"] for result in results]
    shown = [
        # A task with several measures says which.
        f"{r['task']} {r['metric'] + ' ' if tasks.count(r['task']) > 1 else ''}{r['value']:.2f}"
        for r in results
        if r.get("value") is not None
    ][:SHOWN]
    more = len(results) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _plain(change: Any) -> dict[str, Any]:
    return {
        "task": change.task,
        "metric": change.metric,
        "protocol": change.protocol,
        "before": change.before,
        "after": change.after,
        "difference": change.test.difference,
        "low": change.test.low,
        "high": change.test.high,
        "p_value": change.test.p_value,
        "p_corrected": change.p_corrected,
        "rows": change.test.rows,
        "words": change.words,
    }


app = typer.Typer(invoke_without_command=True, help=paragraphs(runs.__doc__), epilog=EXAMPLES)
app.callback(invoke_without_command=True)(runs)
app.command("show", help=paragraphs(show.__doc__), epilog=examples("contrapose runs show 3f9a"))(show)
app.command(
    "compare", help=paragraphs(compare.__doc__), epilog=examples("contrapose runs compare 3f9a 81c2")
)(compare)
