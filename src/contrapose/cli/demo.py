"""``contrapose demo``: the main job on real text, with what this machine has."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.options import Json, Quiet, examples

EXAMPLES = examples(
    "contrapose demo", "contrapose demo --out runs/demo --method focal-infonce --steps 50 --json"
)


def demo(
    out: Annotated[
        str | None, typer.Option(help="Folder of the demo. [default: contrapose-demo]", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The encoder to start from. [default: minilm]", show_default=False)
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="See contrapose methods. [default: hncse-hnm]", show_default=False)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of each training. [default: 100]", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Rows per step. [default: 64]", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="[default: 0]", show_default=False)] = None,
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Python sources to harvest. [default: stdlib]", show_default=False),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Teach an encoder the language of Python's standard library, and see the difference. Takes some minutes.

    Its docstrings are harvested, some objects are held out, and the encoder is asked about those before and after
    training: on sentences alone, then on natural pairs. No network is needed. The same command continues a demo that
    was interrupted.
    """
    from rich.console import Console

    from contrapose.config import validate
    from contrapose.experiment.demo_result import DemoSettings
    from contrapose.experiment.demo_view import run_and_show

    given: dict[str, Any] = {
        "out": out,
        "model": model,
        "method": method,
        "steps": steps,
        "batch_size": batch_size,
        "seed": seed,
        "sources": tuple(sources) if sources else None,
    }
    settings = validate(
        DemoSettings, {key: value for key, value in given.items() if value is not None}, where="options"
    )
    screen = Console(quiet=True) if quiet else console.progress() if json else console.results()
    result = run_and_show(settings, screen, show_result=not (json or quiet))
    if json:
        console.show_json(result.to_json())
    elif quiet:
        console.say(str(result.folder.model("pairs")))
