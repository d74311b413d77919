"""Graphs of tiny encoders, as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.backends.made import graph_files
from contrapose.encoder.encoder import Encoder


def written_graph(encoder: Encoder, backend: str, folder: Path) -> Path:
    """The file of the encoder's graph in fp32, with what belongs to it beside it."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    files = graph_files(encoder, backend, int8=False)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / next(iter(files))
