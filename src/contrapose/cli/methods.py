"""``contrapose methods``: what there is to train with, from which paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.options import Json, examples
from contrapose.hints import YOUR_TEXT, command, free_folder

EXAMPLES = examples(
    "contrapose methods",
    "contrapose methods hncse-hnm",
    "contrapose methods own_method.py",
    "contrapose methods --json",
)


def methods(
    name: Annotated[
        str | None, typer.Argument(help="Only this one, or a FILE.py of yours, in full.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the methods, their papers, their parts and hyperparameters."""
    from contrapose.objectives.catalogue import all_parts, describe
    from contrapose.objectives.protocol_of_run import all_protocols

    shown = describe() if name is None else describe(name)
    if json:
        console.show_json(shown)
    elif name is None:
        rows = [[method["name"], ", ".join(method["parts"]), method["idea"]] for method in shown]
        console.show(console.table({"method": "name", "parts": "text", "idea": "text"}, rows))
        console.say(f"Parts that --with adds to a method: {', '.join(all_parts())}")
        if all_protocols():
            console.say(f"Protocols, which --with takes as well, one for a run: {', '.join(all_protocols())}")
        console.say("In full, with paper and hyperparameters: contrapose methods NAME")
        console.say(
            "All settings of a paper: contrapose train --recipe NAME; a method of yours: --method FILE.py"
        )
        console.suggest(command("train", YOUR_TEXT, method="hncse-hnm", out=free_folder("runs/mine")))
    else:
        show_one(shown[0])


def show_one(method: Mapping[str, Any]) -> None:
    """A method in full."""
    console.say(method["name"], style="bold")
    console.say(method["idea"])
    console.say(f"paper: {method['paper']}")
    console.say(f"       {method['reference']}")
    console.say(f"parts: {', '.join(method['parts'])}")
    descriptions = method["descriptions"]
    rows = [[name, value, descriptions.get(name, "")] for name, value in method["hyperparameters"].items()]
    console.show(console.table({"--set": "name", "default": "name", "meaning": "text"}, rows))
    for departure in method["departures"]:
        console.say(f"departs from the paper: {departure}")
    for other, reason in method["excludes"].items():
        console.say(f"does not go with {other}: {reason}")
