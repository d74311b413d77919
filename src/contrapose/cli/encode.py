"""``contrapose encode``: files of text to a file of vectors."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from contrapose.cli.cluster_options import Address, Engine, MemoryPerWorker, Workers, crew_of
from contrapose.cli.encode_folder import encode_into_folder, is_folder
from contrapose.cli.encode_kind import Kind, tell
from contrapose.cli.options import (
    Columns,
    Device,
    Force,
    Json,
    Model,
    Quiet,
    examples,
    split_words,
)
from contrapose.errors import UsageError
from contrapose.hints import YOUR_TEXT, command

EXAMPLES = examples(
    "contrapose encode minilm notes.txt -o vectors.npy",
    "contrapose encode runs/notes 'corpus/*.jsonl.gz' -o vectors.parquet --columns body",
    "contrapose encode runs/notes corpus/ -o vectors/",
    "contrapose encode runs/notes corpus/ -o vectors/ --engine ray --address auto --workers 8",
    "contrapose encode runs/notes notes.txt -o vectors.npy --backend openvino --precision int8",
)

#: oneDNN compiles a product for every number of rows that it meets, and keeps 1,024 of them: 150 MB after three million
#: texts. Encoding is as fast with these few.
FEW_KEPT_PRODUCTS = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")


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
            help="FILE.npy, FILE.parquet with the texts, or FOLDER/ of Parquet blocks, which can be restarted.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    columns: Columns = None,
    normalize: Annotated[bool, typer.Option(help="Unit vectors: a dot product is then the cosine.")] = True,
    force: Force = False,
    backend: Annotated[
        str, typer.Option(help="torch, onnx or openvino: what computes.", metavar="BACKEND")
    ] = "torch",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16 or int8: less is faster, and compared with fp32 first.")
    ] = "fp32",
    data: Annotated[
        str | None,
        typer.Option(
            help="A data folder with STS-B: STS is compared as well.", metavar="DIR", show_default=False
        ),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(help="Points of STS and retrieval that may be lost.", metavar="POINTS")
    ] = 0.5,
    device: Device = "auto",
    text: Annotated[
        bool | None,
        typer.Option(
            "--text/--no-text", help="Keep the texts beside the vectors (of a folder).", show_default=False
        ),
    ] = None,
    block_rows: Annotated[
        int | None,
        typer.Option(help="Rows of a block of a folder (65536).", min=1, metavar="N", show_default=False),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    workers: Workers = None,
    memory_per_worker: MemoryPerWorker = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Encode every row of text into a vector, in order.

    A file appears when it is whole. A folder gets one file per block of rows: the same command goes on where a killed
    one was, does nothing where all is there, and refuses an input, a model or options that changed (--force makes the
    blocks anew that changed). Exit code 3 means that rows could not be read; they are listed beside the output.

    Another backend or precision is compared with the original on your text before it is used, and refused where it lost
    more than it may. --backend onnx and --backend openvino need the extras of those names.
    """
    from contrapose.backends.kinds import check_kind
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.use.encode import bulk_encode

    os.environ.setdefault(*FEW_KEPT_PRODUCTS)
    check_kind(backend, precision)
    crew = crew_of(engine, address, workers, memory_per_worker)
    kind = Kind(model, input, backend, precision, device, split_words(columns), data, max_loss)
    if is_folder(output):
        options = {"normalize": normalize, "precision": precision, "columns": split_words(columns) or None}
        options |= {} if text is None else {"text": text}
        options |= {} if block_rows is None else {"rows_per_block": block_rows}
        encode_into_folder(kind, output, options, crew=crew, force=force, quiet=quiet, json=json)
        return
    if crew or block_rows or text is not None:
        raise UsageError("--engine ray, --block-rows and --text are for a folder: give --output FOLDER/")
    find_sources(input)
    with ProgressView(quiet=quiet or json) as view:
        summary = bulk_encode(
            kind.encoder(view),
            input,
            output,
            columns=split_words(columns) or None,
            normalize=normalize,
            overwrite=force,
            precision=precision,
            progress=view,
        )
    corpora = [YOUR_TEXT if name == "-" else name for name in input]
    next_step = command("search", model, *corpora, "what you look for", columns=columns)
    tell(kind, summary, json=json, next_step=None if quiet else next_step)
