"""The weights of a graph of OpenVINO end in .bin, as pickles do: only they may lie in a model's folder."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UnsafeModel
from tests.tiny import tiny_bert


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """The .bin of a model's folder, with its .xml beside it."""
    folder = tiny_bert(tmp_path / "model") / "openvino"
    folder.mkdir()
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(b"\0" * 64)
    return folder / "openvino_model.bin"


def test_weights_beside_their_graph_are_passed_over(graph: Path) -> None:
    assert Encoder.load(graph.parent.parent).width


def test_a_bin_without_its_graph_is_refused(graph: Path) -> None:
    graph.with_suffix(".xml").unlink()
    with pytest.raises(UnsafeModel, match="pickled"):
        Encoder.load(graph.parent.parent)


def test_a_pickle_of_that_name_is_refused(graph: Path) -> None:
    graph.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UnsafeModel, match="pickled"):
        Encoder.load(graph.parent.parent)


def test_another_place_is_refused(graph: Path) -> None:
    graph.rename(graph.parent.parent / "openvino_model.bin")
    with pytest.raises(UnsafeModel, match="pickled"):
        Encoder.load(graph.parent.parent)
