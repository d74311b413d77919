"""``contrapose report``: one file that shows what a run changed, by how much, and how sure that is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrapose.cli import console
from contrapose.cli.options import Force, Json, Quiet, examples, one_of
from contrapose.cli.progress import ProgressView
from contrapose.cli.run_view import style_of
from contrapose.errors import UsageError

if TYPE_CHECKING:
    from contrapose.ledger import Ledger
    from contrapose.report.record import Report

EXAMPLES = examples(
    "contrapose report runs/notes -o notes.html",
    "contrapose report runs/simcse runs/focal -o both.html",
    "contrapose report runs/notes sweeps/temperature -o notes.html",
    "contrapose report runs/adapted -o adapted.html",
    "contrapose report runs/notes --format md",
)
FORMATS = {"html": ".html", "md": ".md", "json": ".json"}


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of finished runs, adaptations, sweeps and comparisons.",
            metavar="RUN...",
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write; html: report.html, else standard output.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="html, md or json; by the name of --out.", show_default=False),
    ] = None,
    sample: Annotated[
        int,
        typer.Option(
            help="Rows of each run's own text to look at; 0 leaves your text out of the report.", min=0
        ),
    ] = 500,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Show what training changed: verdict, scores with intervals, curves, maps and neighbours, in one file.

    The file opens without a network. Scores come only from the ledger, so evaluate both models first:
    contrapose evaluate minilm ..., contrapose evaluate RUN ... with the same tasks and data.
    """
    from contrapose.outputs import check_output, write_output
    from contrapose.report.gather import gather

    kind = _format(format_, out)
    target = _target(out, kind)
    writes = target is not None and not (json and out is None)
    if target is not None and writes:
        check_output(target, force=force, replace_own=True)
    with ProgressView(quiet=quiet or json, lines=True) as view:
        gathered = gather(runs, _ledger(), sample=sample, listener=view)
    text = _text(gathered, kind) if not json or writes else ""
    if target is not None and writes:
        write_output(target, text)
    if json:
        console.show_json(gathered.to_json())
    elif target is None:
        typer.echo(text, nl=False)
    else:
        show(gathered)
        console.say(f"wrote {target} ({len(text.encode()) / 1024:,.0f} KiB)")
        if not quiet:
            console.suggest(*_next(gathered, target))


def _ledger() -> Ledger | None:
    """The user's; without one the report has no scores, and everything else."""
    from contrapose.ledger import Ledger

    try:
        return Ledger.usual()
    except UsageError as error:
        console.tell(f"warning: no scores, for there is no ledger: {error}", style="yellow")
        return None


def _format(given: str | None, out: str | None) -> str:
    if given is not None:
        return one_of("--format", given, tuple(FORMATS))
    suffix = Path(out).suffix.lower() if out else ""
    return next((name for name, ending in FORMATS.items() if ending == suffix), "html")


def _target(out: str | None, kind: str) -> Path | None:
    """Where to write; None for standard output."""
    from contrapose.outputs import check_path, is_standard_output

    if out is None:
        return Path("report.html") if kind == "html" else None
    check_path(out, "--out")
    return None if is_standard_output(out) else Path(out)


def _text(gathered: Report, kind: str) -> str:
    import json as jsons

    from contrapose.outputs import MARKS

    if kind == "json":
        return (
            f"{{\n {MARKS['json']},\n" + jsons.dumps(gathered.to_json(), indent=1, allow_nan=False)[2:] + "\n"
        )
    if kind == "md":
        from contrapose.report import markdown

        return markdown.render(gathered)
    from contrapose.report import page

    return page.render(gathered)


def show(gathered: Report) -> None:
    """The verdicts and the paired differences, for a terminal."""
    from contrapose.report.wording import difference_in_words, over_seeds, sentence
    from contrapose.selection.reported import SIGNS

    for adaptation in gathered.adaptations:
        style = "bold green" if adaptation.better else "bold"
        console.say(f"{'▲' if adaptation.better else '●'} {adaptation.name}: {adaptation.word}", style=style)
        console.say(adaptation.sentence)
    for run in gathered.runs:
        sign = SIGNS.get(run.verdict.word, "●")
        console.say(f"{sign} {run.name}: {run.verdict.word}", style=style_of(run.verdict.word))
        for part in run.verdict.what_happened:
            console.say(part)
        if run.verdict.advice:
            console.say(f"What to do: {run.verdict.advice}")
        for part in [*run.verdict.grounds, sentence(run)]:
            console.say(part)
        rows = [
            [score.task, score.metric, *difference_in_words(score.difference)]
            for score in run.scores
            if score.difference is not None
        ]
        if rows:
            columns = {
                "task": "name",
                "metric": "name",
                "difference": "number",
                "95% interval": "name",
                "in words": "name",
            }
            console.show(console.table(columns, rows))
        for note in run.notes:
            console.say(f"note: {note}", style="yellow")
    for trials in gathered.trials:
        console.say(f"{trials.name}: {over_seeds(trials)}")
        for line in trials.said:
            console.say(line)
        for note in trials.notes:
            console.say(f"note: {note}", style="yellow")


def _next(gathered: Report, target: Path) -> list[str]:
    commands = dict.fromkeys(command for run in gathered.runs for command in run.commands)
    return [*commands, *([f"xdg-open {shlex.quote(str(target))}"] if target.is_file() else [])]
