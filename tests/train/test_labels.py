"""A run with labels: each row is given its own, the classifier is kept over a kill, and judged on held-out rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.train.checkpoint import load
from contrapose.train.run_folder import read_summary
from tests.train.runs import NUM_ROWS, Killed, Place, Witness, outcome, run_tiny, step_rows, texts

OPTIONS: dict[str, Any] = {"method": "core-tuning", "parts": ["classifier"], "label_column": "label"}
#: What a text's class is told by: its first word.
CLASSES = ("cat", "dog", "rain")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("labelled") / "rows.jsonl"
    rows = [
        {"text": f"{CLASSES[row % 3]} {text}", "label": CLASSES[row % 3]}
        for row, text in enumerate(texts(NUM_ROWS))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def whole(place: Place, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labels") / "whole"
    return run_tiny(place, out, corpus=labelled, save_every=2, keep=20, **OPTIONS).folder


def test_both_terms_and_the_accuracy_are_logged(whole: Path) -> None:
    for row in step_rows(whole):
        assert row["loss"] == pytest.approx(row["loss_contrast"] + row["loss_classification"], rel=1e-5)
        assert row["loss_contrast"] > 0
        assert 0 <= row["classifier_accuracy"] <= 1


def test_the_accuracy_on_held_out_rows_is_that_of_the_last_weights(whole: Path, place: Place) -> None:
    summary = read_summary(whole)
    corpus = Corpus.open(whole / "cache" / "corpus")
    labels = corpus.labels()
    saved = load(whole / "checkpoints", 12).of("objective")["parts.classifier.head.weight"]
    _rows, held_out = corpus.split_held_out(12, _seed())
    model = Encoder.load(whole / "model")
    (held_texts,) = corpus.take(held_out).values()
    told = (torch.from_numpy(model.encode(held_texts, normalize=False)) @ saved.T).argmax(1)
    expected = np.mean([CLASSES[told[n]] == labels[row] for n, row in enumerate(held_out)])
    assert summary["held_out_labelled_rows"] == len(held_out) == 12
    assert summary["labels"] == 3
    assert summary["held_out_accuracy"] == pytest.approx(expected)


def _seed() -> int:
    from contrapose.seeds import derive

    return derive(0, "held-out") >> 1


@pytest.mark.parametrize(
    "options", [{}, {"contrast_weight": 0.0, "mixed_rows": False}], ids=["whole", "alone"]
)
def test_a_class_that_a_word_tells_is_learnt(
    place: Place, labelled: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    witness = Witness()
    longer = {"steps": 60, "learning_rate": 3e-3, "batch_size": 24}
    run = run_tiny(place, tmp_path / "run", corpus=labelled, listener=witness, **OPTIONS, **longer, **options)
    assert run.summary["held_out_accuracy"] > 0.6, "a third would be chance"
    said = [notice for notice in witness.notices if "names the label" in notice]
    assert said == [
        f"the classifier names the label of {run.summary['held_out_accuracy']:.1%} of 12 held-out rows (3 labels)"
    ]


@pytest.mark.parametrize("kill_at", [3, 8])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    whole: Path, place: Place, labelled: Path, tmp_path: Path, kill_at: int
) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", corpus=labelled, listener=Witness(kill_at), save_every=2, **OPTIONS)
    run_tiny(place, tmp_path / "cut", corpus=labelled, resume=True, save_every=2, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_the_classifier_is_left_behind_when_the_encoder_is_exported(whole: Path) -> None:
    assert not any("classifier" in path.name for path in (whole / "model").rglob("*"))
    before = Encoder.load(whole / "model").backbone.state_dict()
    assert not any("classifier" in name for name in before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label_column": None}, "the method needs a label for every row: name the column that holds it"),
        ({"parts": []}, "label_column would be ignored: nothing in 'core-tuning' reads labels"),
        ({"label_column": "intent"}, "has no column intent for the labels"),
    ],
)
def test_labels_that_are_missing_or_not_wanted_are_refused_before_training(
    place: Place, labelled: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run_tiny(place, tmp_path / "run", corpus=labelled, **{**OPTIONS, **options})
    assert not (tmp_path / "run").exists()


def test_one_label_for_all_rows_is_refused(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text, "label": 1}) + "\n" for text in texts(NUM_ROWS)))
    with pytest.raises(
        UsageError, match="every row has the label '1': a classifier needs rows of two labels"
    ):
        run_tiny(place, tmp_path / "run", corpus=path, **OPTIONS)
    assert not (tmp_path / "run").exists()
