"""``contrapose export``: a model with a graph for ONNX Runtime or OpenVINO beside its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrapose.cli import console
from contrapose.cli.options import Columns, Json, Model, Quiet, examples, split_words
from contrapose.hints import YOUR_TEXT, command

if TYPE_CHECKING:
    from contrapose.backends.check import Checked
    from contrapose.backends.export import Exported

EXAMPLES = examples(
    "contrapose export minilm --format onnx --out exported",
    "contrapose export runs/notes --format openvino --int8 --text notes.txt --out runs/notes-int8",
    "contrapose export runs/notes --format onnx --int8 --text notes.txt --data data/senteval --out fast --json",
)


def export(
    model: Model,
    format: Annotated[
        str, typer.Option("--format", help="onnx, or openvino.", metavar="FORMAT", show_default=False)
    ],
    out: Annotated[
        str, typer.Option(help="The folder that is written.", metavar="FOLDER", show_default=False)
    ],
    int8: Annotated[
        bool, typer.Option("--int8", help="Write the graph in int8 as well: needs --text.")
    ] = False,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Text of yours, that int8 is fitted to and graphs are compared on; may be given several times.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    columns: Columns = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A data folder with STS-B: STS is compared as well.", metavar="DIR", show_default=False
        ),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(help="Points of STS and retrieval that int8 may lose.", metavar="POINTS")
    ] = 0.5,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write a model with a graph for ONNX Runtime or OpenVINO, as sentence-transformers reads it too.

    Every graph is compared with the original first: vectors, neighbours, what your text finds, and STS with --data.
    Where int8 lost more than it may, nothing is written.
    """
    from contrapose.adapt.general import GENERAL_SENTENCES
    from contrapose.backends.check import check_max_loss
    from contrapose.backends.export import check_format
    from contrapose.backends.export import export as write
    from contrapose.backends.kinds import check_installed
    from contrapose.cli.models import LazyEncoder, first_texts
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.errors import UsageError
    from contrapose.outputs import check_output

    check_format(format)
    check_max_loss(max_loss)
    if int8 and not text:
        raise UsageError("--int8 is fitted to your text and compared on it: give --text FILE")
    check_installed(format, making_int8=int8)
    check_output(Path(out), force=False, option="--out")
    if text:
        find_sources(text)
    with ProgressView(quiet=quiet or json) as view:
        sample = first_texts(text, split_words(columns)) if text else GENERAL_SENTENCES
        encoder = LazyEncoder(model, "cpu", view).load()
        made = write(
            encoder, out, format=format, int8=int8, sample=sample, max_loss=max_loss, data=data, listener=view
        )
    if json:
        console.show_json(made.to_json())
        return
    show(made)
    if not quiet:
        fast = "int8" if int8 else "fp32"
        console.suggest(
            command(
                "encode", out, *(text or [YOUR_TEXT]), backend=format, precision=fast, output="vectors.npy"
            )
        )


def show(made: Exported) -> None:
    """The files and what was measured of each."""
    for name, size in made.graphs.items():
        console.say(f"{made.folder / name}: {size / 1e6:,.1f} MB")
    for checked in made.checked:
        show_check(checked)
    if not made.portable:
        console.say(
            "sentence-transformers has no word for this model's pooling: contrapose alone opens the folder",
            style="yellow",
        )


def show_check(checked: Checked) -> None:
    """The table of one comparison, and what there was nothing to measure with."""
    columns = {f"{checked.precision} by {checked.backend}": "name"}
    columns |= {"original": "number", "here": "number", "difference": "number"}
    console.show(console.table(columns, [list(row) for row in checked.rows()]))
    for missing in checked.unmeasured():
        console.say(missing, style="dim")
