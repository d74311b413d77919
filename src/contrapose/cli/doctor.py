"""``contrapose doctor``: what this machine has, and what to fix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from contrapose.cli import console
from contrapose.cli.failures import FAILURE
from contrapose.cli.options import Json, examples

EXAMPLES = examples("contrapose doctor", "contrapose doctor --model runs/notes --data data --json")


def doctor(
    model: Annotated[
        str, typer.Option(help="Encoder whose dropout views are measured; none leaves it out.")
    ] = "minilm",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder to look for evaluation data in, besides the usual ones.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Report versions, device, precision, extras, data and disk, and what to fix.

    Exit code 1 means that something is broken; advice alone is 0.
    """
    from contrapose.cli.examination import examine

    diagnosis = examine(model, data or ())
    if json:
        console.show_json(diagnosis.to_json())
    else:
        rows = [[name, value] for name, value in diagnosis.lines]
        console.show(console.table({"what": "name", "found": "text"}, rows))
        _list("Broken:", diagnosis.broken, "red")
        _list("Advice:", diagnosis.advice, "")
        if not diagnosis.broken:
            console.say("Ready. Try: contrapose demo", style="bold")
    if diagnosis.broken:
        raise typer.Exit(FAILURE)


def _list(title: str, lines: Sequence[str], style: str) -> None:
    if lines:
        console.say(title, style="bold")
    for line in lines:
        console.say(f"  {line}", style=style)
