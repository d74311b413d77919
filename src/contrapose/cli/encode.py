"""``contrapose encode``: files of text to a file of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.export import show_check
from contrapose.cli.failures import PARTIAL
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
from contrapose.hints import YOUR_TEXT, command

if TYPE_CHECKING:
    from contrapose.backends.check import Checked
    from contrapose.encoder.encoder import Encoder
    from contrapose.listening import Listener

EXAMPLES = examples(
    "contrapose encode minilm notes.txt -o vectors.npy",
    "contrapose encode runs/notes 'corpus/*.jsonl.gz' -o vectors.parquet --columns body",
    "contrapose encode runs/notes notes.txt -o vectors.npy --backend openvino --precision int8",
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
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Encode every row of text into a vector, in order.

    Another backend or precision is compared with the original on your text before it is used, and refused where it lost
    more than it may. --backend onnx and --backend openvino need the extras of those names.

    The output appears when it is whole. Exit code 3 means that rows could not be read; they are listed beside it.
    """
    from contrapose.backends.kinds import check_kind
    from contrapose.cli.models import LazyEncoder
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.use.encode import bulk_encode

    check_kind(backend, precision)
    find_sources(input)
    with ProgressView(quiet=quiet or json) as view:
        used = Used(model, input, backend, precision, device, split_words(columns), data, max_loss, view)
        summary = bulk_encode(
            LazyEncoder(model, device, view, used.prepare if used.other else None),
            input,
            output,
            columns=split_words(columns) or None,
            normalize=normalize,
            overwrite=force,
            precision=precision,
            progress=view,
        )
    if json:
        console.show_json(summary.to_json() | used.to_json())
    else:
        if used.checked is not None:
            show_check(used.checked)
        for line in summary.lines():
            console.say(line)
        if not quiet:
            corpora = [YOUR_TEXT if name == "-" else name for name in input]
            console.suggest(command("search", model, *corpora, "what you look for", columns=columns))
    if summary.quarantined:
        raise typer.Exit(PARTIAL)


@dataclass
class Used:
    """What computes, checked once the model is loaded. Wrong requests are told when this is made."""

    model: str
    input: list[str]
    backend: str
    precision: str
    device: str
    columns: tuple[str, ...]
    data: str | None
    max_loss: float
    listener: Listener
    checked: Checked | None = None

    def __post_init__(self) -> None:
        if self.other:
            from contrapose.backends.opening import check_request

            check_request(self.backend, self.precision, self.device, self.max_loss)

    @property
    def other(self) -> bool:
        """Whether it is anything but the original."""
        return (self.backend, self.precision) != ("torch", "fp32")

    def prepare(self, encoder: Encoder) -> Any:
        """The encoder that is used in place of the original."""
        from contrapose.backends.opening import open_encoder
        from contrapose.cli.models import model_of

        opened = open_encoder(
            encoder,
            backend=self.backend,
            precision=self.precision,
            sample=self.sample(),
            max_loss=self.max_loss,
            data=self.data,
            model=Path(model_of(self.model)),
            listener=self.listener,
        )
        self.checked = opened.checked
        return opened.encoder

    def sample(self) -> list[str]:
        """The first rows of the input; general sentences where it is standard input, which is read once."""
        from contrapose.adapt.general import GENERAL_SENTENCES
        from contrapose.cli.models import first_texts

        found = [] if "-" in self.input else first_texts(self.input, self.columns)
        return found or list(GENERAL_SENTENCES)

    def to_json(self) -> dict[str, Any]:
        checked = None if self.checked is None else self.checked.to_json()
        return {"backend": self.backend, "precision": self.precision, "checked": checked}
