"""``contrapose similarity``: the cosine of two texts."""

from __future__ import annotations

from typing import Annotated

import typer

from contrapose.cli import console
from contrapose.cli.options import Device, Json, Model, Precision, examples, one_of
from contrapose.hints import YOUR_TEXT, command

EXAMPLES = examples(
    'contrapose similarity minilm "a man plays the guitar" "someone is making music"',
    'contrapose similarity runs/notes "first text" "second text" --json',
)


def similarity(
    model: Model,
    first: Annotated[str, typer.Argument(help="A text.", metavar="A", show_default=False)],
    second: Annotated[str, typer.Argument(help="Another text.", metavar="B", show_default=False)],
    precision: Precision = "fp32",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """The cosine of two texts: 1 is the same direction, 0 is nothing in common."""
    from contrapose.cli.models import LazyEncoder
    from contrapose.use.arguments import could_be_file
    from contrapose.use.similarity import similarity as cosine_of

    one_of("--precision", precision, ("fp32", "bf16"))
    cosine = cosine_of(LazyEncoder(model, device), first, second, precision=precision)
    if json:
        console.show_json({"model": model, "a": first, "b": second, "cosine": cosine})
    else:
        console.say(f"{cosine:.4f}")
        query = first if could_be_file(first) is None else "what you look for"
        console.suggest(command("search", model, YOUR_TEXT, query))
