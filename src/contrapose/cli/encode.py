"""``contrapose encode``: files of text to a file of vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import (
    Columns,
    Device,
    Force,
    Json,
    Model,
    Precision,
    Quiet,
    examples,
    one_of,
    split_words,
)
from contrapose.hints import YOUR_TEXT, command

EXAMPLES = examples(
    "contrapose encode minilm notes.txt -o vectors.npy",
    "contrapose encode runs/notes 'corpus/*.jsonl.gz' -o vectors.parquet --columns body",
)


def encode(
    model: Model,
    input: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders or globs of text; - is standard input.",
            metavar="INPUT...",
            show_default=False,
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            help="FILE.npy, or FILE.parquet with the texts.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    columns: Columns = None,
    normalize: Annotated[bool, typer.Option(help="Unit vectors: a dot product is then the cosine.")] = True,
    force: Force = False,
    precision: Precision = "fp32",
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Encode every row of text into a vector, in order.

    The output appears when it is whole. Exit code 3 means that rows could not be read; they are listed beside it.
    """
    from contrapose.cli.models import LazyEncoder
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.use.encode import bulk_encode

    one_of("--precision", precision, ("fp32", "bf16"))
    find_sources(input)
    with ProgressView(quiet=quiet or json) as view:
        summary = bulk_encode(
            LazyEncoder(model, device, view),
            input,
            output,
            columns=split_words(columns) or None,
            normalize=normalize,
            overwrite=force,
            precision=precision,
            progress=view,
        )
    if json:
        console.show_json(summary.to_json())
    else:
        for line in summary.lines():
            console.say(line)
        if not quiet:
            corpora = [YOUR_TEXT if name == "-" else name for name in input]
            console.suggest(command("search", model, *corpora, "what you look for", columns=columns))
    if summary.quarantined:
        raise typer.Exit(PARTIAL)
