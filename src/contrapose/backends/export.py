"""A model folder with graphs in it, which contrapose and the backends of sentence-transformers read.

The folder is a whole model as :meth:`Encoder.save` writes it, with weights in safetensors, and beside them

onnx/model.onnx, onnx/model_qint8.onnx                          as ``--format`` and ``--int8`` ask
openvino/openvino_model.xml, ..._qint8_quantized.xml, .bin
export.json                                                     the model's fingerprint, and what was measured

It appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from contrapose.backends.check import MAX_LOSS, Checked, check_max_loss, compare
from contrapose.backends.encoder import BackendEncoder
from contrapose.backends.kinds import FORMATS, check_installed, graph_name
from contrapose.backends.made import EXPORT_FILE, graph_files
from contrapose.backends.runtimes import open_network
from contrapose.encoder.card import MADE_WITH, model_card
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import PORTABLE
from contrapose.errors import UsageError, nearest
from contrapose.ledger import versions
from contrapose.listening import Listener, listener_of

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What :func:`export` wrote: the folder, its graphs with their sizes in bytes, and what was measured of each."""

    folder: Path
    model: str
    fingerprint: str
    format: str
    graphs: dict[str, int]
    checked: tuple[Checked, ...]
    portable: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "model": self.model,
            "fingerprint": self.fingerprint,
            "format": self.format,
            "graphs": self.graphs,
            "checked": [each.to_json() for each in self.checked],
            "sentence_transformers": self.portable,
        }


def check_format(name: str) -> str:
    """``name`` itself, or UsageError with the known ones."""
    if name not in FORMATS:
        raise UsageError(
            f"--format: unknown '{name}'{nearest(name, list(FORMATS))} Known: {', '.join(FORMATS)}"
        )
    return name


def export(
    encoder: Encoder,
    folder: str | Path,
    *,
    format: str,
    int8: bool = False,
    sample: Sequence[str] = (),
    max_loss: float = MAX_LOSS,
    data: str | Path | None = None,
    listener: Listener | None = None,
) -> Exported:
    """Write ``folder``: the model, its graph in fp32, and with ``int8`` one in int8 beside it.

    sample    text of yours: int8 takes its ranges from it, and each graph is compared on it with the original
    max_loss  points of STS and of your own text's retrieval that int8 may lose
    data      a folder with STS-B, to compare STS as well

    Raises :class:`UsageError` and :class:`MissingExtra` for what is wrong with the request, :class:`ModelError` for a
    network that cannot be traced and for int8 that lost more than it may (nothing is written then).
    """
    check_format(format)
    check_max_loss(max_loss)
    check_installed(format, making_int8=int8)
    listener = listener or listener_of(None)
    encoder.to("cpu")
    precisions = ("fp32", "int8") if int8 else ("fp32",)
    files: dict[str, bytes] = {}
    checked = []
    with TemporaryDirectory(prefix="contrapose-") as scratch:
        for precision in precisions:
            with listener.task(f"making {precision} for {format}"):
                made = graph_files(encoder, format, int8=precision == "int8", sample=sample)
                for name, content in made.items():
                    Path(scratch, name).parent.mkdir(exist_ok=True)
                    Path(scratch, name).write_bytes(content)
                graph = Path(scratch, graph_name(format, int8=precision == "int8"))
                other = BackendEncoder(
                    encoder, open_network(format, graph), backend=format, precision=precision
                )
            with listener.task(f"comparing {precision} by {format} with the original"):
                checked.append(
                    compare(encoder, other, sample, backend=format, precision=precision, data=data)
                )
            checked[-1].refuse(max_loss)
            files |= made
    fingerprint = encoder.fingerprint()
    record = {
        "format": FORMAT,
        "model": encoder.name,
        "fingerprint": fingerprint,
        "checked": [each.to_json() for each in checked],
        "versions": versions([*MADE_WITH, "onnx", "onnxruntime", "openvino", "nncf"]),
    }
    provenance = {"exported": {"model": encoder.name, "fingerprint": fingerprint, "format": format}}
    portable = encoder.pooling in PORTABLE
    graphs = {name: len(content) for name, content in files.items()}
    card = model_card(encoder, provenance, fingerprint=fingerprint) + _section(
        format, graphs, checked, portable
    )
    beside = {**files, EXPORT_FILE: (json.dumps(record, indent=2) + "\n").encode()}
    encoder.save(folder, card, provenance, beside=beside)
    return Exported(
        folder=Path(folder),
        model=encoder.name,
        fingerprint=fingerprint,
        format=format,
        graphs=graphs,
        checked=tuple(checked),
        portable=portable,
    )


def _section(format: str, graphs: dict[str, int], checked: Sequence[Checked], portable: bool) -> str:
    """The card's part on graphs: how each is opened, and how far its vectors are from the original's."""
    lines = ["", "## Graphs", "", "| file | bytes |", "|---|---|"]
    lines += [f"| `{name}` | {size:,} |" for name, size in graphs.items()]
    lines += ["", "| precision | compared | original | here | difference |", "|---|---|---|---|---|"]
    lines += [f"| {each.precision} | {' | '.join(row)} |" for each in checked for row in each.rows()]
    if portable:
        opened = [name for name in graphs if name.endswith((".onnx", ".xml"))]
        lines += ["", "```python", "from sentence_transformers import SentenceTransformer", ""]
        for name in opened:
            named = f', model_kwargs={{"file_name": "{name}"}}'
            lines.append(f'model = SentenceTransformer("THIS_FOLDER", backend="{format}"{named})')
        lines.append("```")
    return "\n".join(lines) + "\n"
