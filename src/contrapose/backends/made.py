"""The files of a graph: made from an encoder, looked up in its folder or in the cache, whole or not at all.

    CACHE/exports/FINGERPRINT/KIND/          onnx/model.onnx and its like, manifest.json
    CACHE/checks/FINGERPRINT/                what was measured: a file per backend, precision, graph and sample

FINGERPRINT is that of the model. KIND is the format, and for int8 of OpenVINO the texts as well that its ranges come
from. CACHE is ``$CONTRAPOSE_CACHE``, else ``$XDG_CACHE_HOME/contrapose`` (``~/.cache/contrapose``); deleting it costs
time alone. A model's own folder may hold graphs too (``contrapose export``); those are taken where the fingerprint in
its export.json is the model's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from contrapose.backends.graph import check_equal, to_onnx
from contrapose.backends.int8 import CALIBRATION_TEXTS, quantise_onnx, quantise_openvino, to_openvino
from contrapose.backends.kinds import check_installed, files_of, graph_name
from contrapose.backends.runtimes import open_network
from contrapose.errors import CorruptCheckpoint, UsageError
from contrapose.foreign import read_json_object
from contrapose.paths import expanded
from contrapose.storage import durable, syscalls

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: The file of a model's folder that says what its graphs were made of.
EXPORT_FILE = "export.json"
VARIABLE = "CONTRAPOSE_CACHE"
_SHORT = 16


def cache_folder() -> Path:
    """Where graphs are kept between calls. Raises :class:`UsageError` where no folder can be named."""
    if given := os.environ.get(VARIABLE, ""):
        return expanded(given)
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "contrapose"


def hash_of_texts(texts: Sequence[str]) -> str:
    """A short hash of texts and their order.

    >>> hash_of_texts(["ab"]) == hash_of_texts(["a", "b"])
    False
    """
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:_SHORT]


def calibration_texts(sample: Sequence[str]) -> list[str]:
    """The texts that ranges are taken from."""
    return [text for text in sample if text.strip()][:CALIBRATION_TEXTS]


def graph_files(
    encoder: Encoder, backend: str, *, int8: bool, sample: Sequence[str] = ()
) -> dict[str, bytes]:
    """Relative name -> bytes of a new graph, compared with the network at several shapes.

    sample: texts that int8 of OpenVINO takes its ranges from.
    """
    check_installed(backend, making_int8=int8)
    if int8 and backend == "openvino" and not calibration_texts(sample):
        raise UsageError(
            "int8 by openvino takes its ranges from your text, and there is none: give --text FILE"
        )
    with TemporaryDirectory(prefix="contrapose-") as scratch:
        traced, plain = Path(scratch, "traced.onnx"), Path(scratch, "plain.xml")
        traced.write_bytes(to_onnx(encoder))
        whole = traced
        if backend == "openvino":
            to_openvino(traced, plain)
            whole = plain
        check_equal(encoder, open_network(backend, whole))
        out = Path(scratch, "out" + whole.suffix)
        if not int8:
            out = whole
        elif backend == "onnx":
            quantise_onnx(whole, out)
        else:
            token_ids = encoder.token_ids(calibration_texts(sample))
            quantise_openvino(whole, out, token_ids, encoder.tokenizer.pad_token_id or 0)
        names = files_of(backend, int8=int8)
        return {name: out.with_suffix(Path(name).suffix).read_bytes() for name in names}


def graph_of(
    encoder: Encoder, backend: str, *, int8: bool, sample: Sequence[str], model: Path | None = None
) -> Path:
    """The file of a graph: the model folder's own, the cache's, or a new one that is put into the cache.

    model: the folder that the encoder was loaded from, where it is known.
    """
    fingerprint = encoder.fingerprint()
    if model is not None and (own := _own_graph(model, backend, int8, fingerprint)) is not None:
        return own
    folder = cached_folder(fingerprint, backend, int8=int8, sample=sample)
    try:
        if folder.is_dir():
            durable.verify_tree(folder)
            return folder / graph_name(backend, int8=int8)
    except CorruptCheckpoint:
        durable.remove_tree(folder)  # a cache: what is damaged is made again
    files = graph_files(encoder, backend, int8=int8, sample=sample)
    _make_folder(folder.parent)
    durable.write_tree(folder, files, replace=folder.exists())
    return folder / graph_name(backend, int8=int8)


def cached_folder(fingerprint: str, backend: str, *, int8: bool, sample: Sequence[str]) -> Path:
    """Where the cache keeps a graph."""
    kind = f"{backend}-int8" if int8 else backend
    if int8 and backend == "openvino":
        kind += f"-{hash_of_texts(calibration_texts(sample))}"
    return cache_folder() / "exports" / fingerprint / kind


def _make_folder(folder: Path) -> None:
    with syscalls.reporting(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _own_graph(model: Path, backend: str, int8: bool, fingerprint: str) -> Path | None:
    graph = model / graph_name(backend, int8=int8)
    if not all((model / name).is_file() for name in files_of(backend, int8=int8)):
        return None
    try:
        record = read_json_object(model / EXPORT_FILE)
    except (OSError, ValueError):
        return None
    return graph if record.get("fingerprint") == fingerprint else None
