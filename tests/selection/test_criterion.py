"""Choosing a checkpoint sees development rows and held-out rows of the corpus, and never a test split."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

import contrapose
from contrapose.listening import Listener
from contrapose.selection import criterion as criteria
from contrapose.selection.criterion import LabelFree, StsbDev, is_better
from contrapose.train.api import train
from tests.tiny import SENTENCES
from tests.train.runs import OPTIONS, Place, texts

#: What may be imported from the evaluation package where something is trained or chosen: no reader but ``sts_dev``.
READERS = {
    "read_sts",
    "read_transfer",
    "read_beir",
    "read_judged",
    "read_crosslingual",
    "dataset_sources",
    "sources_of",
    "own_sources",
    "suite",
}
PACKAGES = ("train", "selection", "objectives", "negatives", "positives", "regularizers", "data", "encoder")


@pytest.fixture
def dev_data(tmp_path: Path) -> Path:
    """STS-B with development pairs; where the test file would be, a folder: reading it fails, also for root."""
    folder = tmp_path / "senteval/STS/STSBenchmark"
    (folder / "sts-test.csv").mkdir(parents=True)
    pairs = enumerate(itertools.pairwise(SENTENCES))
    (folder / "sts-dev.csv").write_text(
        "".join(f"g\tf\t2015\t{i}\t{i % 6}\t{a}\t{b}\n" for i, (a, b) in pairs)
    )
    return tmp_path / "senteval"


def test_training_with_a_development_criterion_opens_no_test_file(
    place: Place, dev_data: Path, tmp_path: Path, opened: list[str]
) -> None:
    opened.clear()
    options = OPTIONS | {"criterion": "stsb-dev", "dev_data": str(dev_data), "eval_every": 4}
    run = train(str(place.sentences), model=str(place.model), out=str(tmp_path / "run"), **options)
    assert "sts-dev.csv" in opened
    assert not [name for name in opened if "test" in name]
    assert run.model_folder.is_dir()


def test_no_code_that_trains_or_chooses_imports_a_reader_of_test_splits() -> None:
    root = Path(contrapose.__file__).parent
    files = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    files.append(root / "evaluate" / "probes.py")
    assert len(files) > 20
    found = []
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("contrapose.evaluate"):
                last = (node.module or "").rsplit(".", 1)[-1]
                found += [
                    (path.name, name) for name in (last, *(a.name for a in node.names)) if name in READERS
                ]
    assert not found


class Seen:
    """Vectors that a look finds: of every text that it asks for, by a rule."""

    model = "made up"

    def __init__(self, rule: str) -> None:
        self.rule = rule

    def of(self, wanted: list[str]) -> np.ndarray:
        if self.rule == "collapsed":
            return np.ones((len(wanted), 400))
        # Where the vectors are spread, both sides of a pair have one vector; else little but what all have.
        seed = [0] if self.rule == "spread" else [*wanted[0].encode()]
        own_ND = np.random.default_rng(seed).normal(size=(len(wanted), 400))
        return own_ND + {"spread": 0.0, "loose": 45.0}[self.rule] * np.eye(400)[0]


def test_a_collapsed_encoder_is_never_better_than_one_that_works(
    dev_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that works may score far below zero: the pretrained model lay well, and training spoilt much of that."""
    monkeypatch.setattr(criteria, "weights_key", lambda rule: rule)
    monkeypatch.setattr(criteria, "encoded", lambda rule, *_: Seen(rule))
    label_free = LabelFree({"text": texts(60)}, Listener())
    label_free.begin("spread", "fp32")  # type: ignore[arg-type]
    works, collapsed = (label_free.measure(rule, "fp32") for rule in ("loose", "collapsed"))  # type: ignore[arg-type]
    assert works["uniformity"] < -0.5 < collapsed["uniformity"]
    assert works["score"] < -1.5
    assert is_better(works, collapsed["score"])
    assert not is_better(collapsed, works["score"])
    undefined = StsbDev(dev_data, Listener()).measure("collapsed", "fp32")  # type: ignore[arg-type]
    assert is_better({"score": -50.0}, undefined["score"])
    assert is_better({"score": -100.0}, undefined["score"])
