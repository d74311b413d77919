"""``contrapose methods``: what there is to train with, from which paper, and the parts that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.options import Json, examples
from contrapose.hints import YOUR_TEXT, command, free_folder

EXAMPLES = examples(
    "contrapose methods",
    "contrapose methods hncse-hnm",
    "contrapose methods own_method.py",
    "contrapose methods --parts",
    "contrapose methods --parts crop",
    "contrapose methods --json",
)


def methods(
    name: Annotated[
        str | None, typer.Argument(help="Only this one, or a FILE.py of yours, in full.", show_default=False)
    ] = None,
    parts: Annotated[
        bool,
        typer.Option("--parts", help="What can be added to a method: parts, text parts and protocols."),
    ] = False,
    json: Json = False,
) -> None:
    """List the methods, their papers, their parts and hyperparameters; or the parts themselves."""
    from contrapose.objectives.catalogue import all_parts, describe
    from contrapose.objectives.parts_described import describe_parts
    from contrapose.objectives.protocol_of_run import all_protocols
    from contrapose.text.catalogue import all_text_parts

    named = () if name is None else (name,)
    shown = describe_parts(*named) if parts else describe(*named)
    if json:
        console.show_json(shown)
    elif parts:
        show_parts(shown, in_full=name is not None)
    elif name is None:
        rows = [[method["name"], ", ".join(method["parts"]), method["idea"]] for method in shown]
        console.show(console.table({"method": "name", "parts": "text", "idea": "text"}, rows))
        console.say(f"Parts that --with adds to a method: {', '.join(all_parts())}")
        if all_protocols():
            console.say(f"Protocols, which --with takes as well, one for a run: {', '.join(all_protocols())}")
        console.say(
            f"Text parts, which make the texts of the views, for --views: {', '.join(all_text_parts())}"
        )
        console.say("What each of these does, and its hyperparameters: contrapose methods --parts [NAME]")
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
    _show_hyperparameters(method)
    for departure in method["departures"]:
        console.say(f"departs from the paper: {departure}")
    _show_excluded(method)


def show_parts(parts: Sequence[Mapping[str, Any]], *, in_full: bool) -> None:
    """All in a table; or one in full (two, where a part and a text part have one name)."""
    if not in_full:
        rows = [[part["name"], part["option"], _role(part), part["idea"]] for part in parts]
        kinds = {"part": "name", "for": "name", "role": "text", "idea": "text"}
        console.show(console.table(kinds, rows))
        console.say("In full, with hyperparameters: contrapose methods --parts NAME")
        return
    for part in parts:
        console.say(part["name"], style="bold")
        console.say(part["idea"])
        console.say(f"{_role(part)}, for {part['option']}")
        _show_hyperparameters(part)
        _show_excluded(part)


def _role(part: Mapping[str, Any]) -> str:
    return f"{part['role']}: {', '.join(part['gives'])}" if part["gives"] else str(part["role"])


def _show_hyperparameters(record: Mapping[str, Any]) -> None:
    said = record["descriptions"]
    rows = [
        [name, "none" if value is None else value, said.get(name, "")]
        for name, value in record["hyperparameters"].items()
    ]
    if rows:
        console.show(console.table({"--set": "name", "default": "name", "meaning": "text"}, rows))
    else:
        console.say("no hyperparameters")


def _show_excluded(record: Mapping[str, Any]) -> None:
    for other, reason in record["excludes"].items():
        console.say(f"does not go with {other}: {reason}")
