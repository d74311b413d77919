"""``export``, and ``encode`` on other backends, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from contrapose.backends.kinds import files_of
from contrapose.cli.main import main
from contrapose.encoder.encoder import Encoder
from contrapose.storage import durable
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE

LINES = [f"{one} and {other}" for one in SENTENCES for other in SENTENCES[:4]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in ("onnx", "onnxruntime"):
        pytest.importorskip(module)
    monkeypatch.setenv("CONTRAPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Encoder.load(tiny_bert(tmp_path / "plain"), pooling="avg").save(tmp_path / "model")
    (tmp_path / "notes.txt").write_text("\n".join(LINES) + "\n")
    return tmp_path


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_an_exported_folder_is_whole_and_encodes_by_its_own_graph(
    format: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    assert main(["export", "model", "--format", format, "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["fingerprint"] == Encoder.load("out").fingerprint()
    assert set(told["graphs"]) == set(files_of(format, int8=False))
    assert durable.verify_tree(place / "out")
    assert "## Graphs" in (place / "out/README.md").read_text()
    assert main(["encode", "out", "notes.txt", "-o", "a.npy", "--backend", format]) == 0
    assert "cosine, mean" in capsys.readouterr().out
    assert not (place / "cache/exports").exists(), "the folder's own graph was passed over"
    assert main(["encode", "model", "notes.txt", "-o", "b.npy"]) == 0
    np.testing.assert_allclose(np.load("a.npy"), np.load("b.npy"), atol=2e-5)


def test_int8_is_exported_beside_fp32_and_what_it_cost_is_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", "model", "--format", "onnx", "--int8", "--text", "notes.txt", "--max-loss", "100"]
    assert main([*arguments, "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["precision"] for each in told["checked"]] == ["fp32", "int8"]
    assert json.loads((place / "out/export.json").read_text())["checked"] == told["checked"]
    assert told["graphs"]["onnx/model_qint8.onnx"] < told["graphs"]["onnx/model.onnx"]


def test_what_lost_more_than_it_may_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("contrapose.backends.check.LEAST_COSINE", {"fp32": 0.9, "int8": 2.0})
    before = sorted(place.iterdir())
    assert main(["export", "model", "--format", "onnx", "--int8", "--text", "notes.txt", "--out", "out"]) == 1
    assert "int8 by onnx lost more than it may" in capsys.readouterr().err
    assert sorted(place.iterdir()) == before


def test_a_graph_of_another_model_is_passed_over(place: Path) -> None:
    assert main(["export", "model", "--format", "onnx", "--out", "out", "--quiet"]) == 0
    record = json.loads((place / "out/export.json").read_text())
    (place / "out/export.json").write_text(json.dumps(record | {"fingerprint": "0" * 64}))
    (place / "out/manifest.json").unlink()
    assert main(["encode", "out", "notes.txt", "-o", "a.npy", "--backend", "onnx", "--quiet"]) == 0
    assert (place / "cache/exports").is_dir()


def test_encode_tells_programs_what_was_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(
            [
                "encode",
                "model",
                "notes.txt",
                "-o",
                "a.npy",
                "--precision",
                "bf16",
                "--max-loss",
                "100",
                "--json",
            ]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["precision"] == "bf16"
    assert told["checked"]["texts"] == len(LINES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "model", "--format", "onxx", "--out", "o"], "Known: onnx, openvino"),
        (["export", "model", "--format", "onnx", "--int8", "--out", "o"], "give --text FILE"),
        (["export", "model", "--format", "onnx", "--out", "model"], "model"),
        (["encode", "model", "notes.txt", "-o", "a.npy", "--backend", "tensorrt"], "unknown backend"),
        (["encode", "model", "notes.txt", "-o", "a.npy", "--precision", "int8"], "does not compute in int8"),
        (
            ["encode", "model", "notes.txt", "-o", "a.npy", "--backend", "onnx", "--device", "cuda"],
            "Leave --device out",
        ),
        (
            ["encode", "model", "notes.txt", "-o", "a.npy", "--backend", "onnx", "--max-loss", "-1"],
            "--max-loss is a number of points",
        ),
    ],
)
def test_a_wrong_request_is_told_before_anything_is_loaded(
    arguments: list[str],
    said: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Encoder, "load", lambda *_: pytest.fail("loaded"))
    assert main(arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (place / "a.npy").exists()


#: Reads a folder by a backend of sentence-transformers, in a Python of its own.
RIVAL = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
folder, backend, name, texts, out = sys.argv[1:]
options = {"file_name": name}
if backend == "openvino":
    options["ov_config"] = {"INFERENCE_PRECISION_HINT": "f32"}  # it would take bf16 where the processor has it
model = SentenceTransformer(folder, backend=backend, device="cpu", model_kwargs=options)
np.save(out, model.encode(json.load(open(texts)), normalize_embeddings=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_sentence_transformers_reads_what_is_exported(format: str, place: Path) -> None:
    python = os.environ.get("CONTRAPOSE_RIVAL_PYTHON")
    if not python:
        pytest.skip(
            "CONTRAPOSE_RIVAL_PYTHON names no Python with sentence-transformers, optimum-onnx and optimum-intel, "
            "which need an older transformers than contrapose"
        )
    assert main(["export", "model", "--format", format, "--out", "out", "--quiet"]) == 0
    texts = [*LINES, "", "a"]
    (place / "texts.json").write_text(json.dumps(texts))
    name = files_of(format, int8=False)[0]
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", RIVAL, "out", format, name, "texts.json", "rival.npy"],
        capture_output=True, text=True, timeout=PATIENCE, check=False, env=own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    expected = Encoder.load("model").encode(texts, normalize=True)
    np.testing.assert_allclose(np.load("rival.npy"), expected, atol=2e-5)
