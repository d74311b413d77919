"""An encoder on another backend gives the original's vectors, whatever its pooling and architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.backends.encoder import BackendEncoder
from contrapose.backends.made import graph_files
from contrapose.backends.opening import open_encoder
from contrapose.backends.runtimes import open_network
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import POOLINGS
from tests.tiny import SENTENCES, TINY, pooled_by

TEXTS = [*SENTENCES, "", " ", "東京 ǂ émoji 🙂", "word " * 4000, "a", "\ud800 lone"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTRAPOSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def on(encoder: Encoder, backend: str, folder: Path) -> BackendEncoder:
    """By hand, without the check."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    files = graph_files(encoder, backend, int8=False)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    network = open_network(backend, folder / next(iter(files)))
    return BackendEncoder(encoder, network, backend=backend, precision="fp32")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", sorted(TINY))
def test_every_architecture_gives_the_original_s_vectors(kind: str, backend: str, tmp_path: Path) -> None:
    encoder = Encoder.load(TINY[kind](tmp_path / "model"), pooling="avg")
    other = on(encoder, backend, tmp_path)
    expected = encoder.encode(TEXTS, normalize=True)
    assert np.linalg.norm(expected[0] - expected[1]) > 0.1
    np.testing.assert_allclose(other.encode(TEXTS, normalize=True), expected, atol=2e-5)
