"""The loss in the library's own trainer, on the CPU, with a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.interop.sentence_transformers import ContraposeLoss
from tests.tiny import SENTENCES, tiny_bert

library = pytest.importorskip("sentence_transformers", reason="needs the extra 'st'")
losses = pytest.importorskip("sentence_transformers.losses")
datasets = pytest.importorskip("datasets", reason="the library's trainer needs datasets")
pytest.importorskip("accelerate", reason="the library's trainer needs accelerate")


def train(model: Any, loss: Any, columns: dict[str, list[str]], folder: Path, **options: Any) -> list[float]:
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
        **options,
    )
    trainer = library.SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=datasets.Dataset.from_dict(columns), loss=loss
    )
    trainer.train()
    return [record["loss"] for record in trainer.state.log_history if "loss" in record]


@pytest.mark.parametrize("unlabeled", [True, False])
def test_training_lowers_the_loss_and_the_saved_model_is_the_same_in_both(
    tmp_path: Path, unlabeled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.tiny.INITIAL_STD", 0.05)  # wider weights hardly learn in 20 steps
    Encoder.load(tiny_bert(tmp_path / "plain"), pooling="avg").save(tmp_path / "start")
    model = library.SentenceTransformer(str(tmp_path / "start"), device="cpu")
    untrained = model.encode(list(SENTENCES))
    pairs = {"anchor": list(SENTENCES), "positive": [" ".join(text.split()[::-1]) for text in SENTENCES]}
    columns = {"text": pairs["anchor"]} if unlabeled else pairs
    loss = ContraposeLoss(model, "hncse-hnm", k=4, num_mixtures=4, temperature=0.1)
    history = train(model, loss, columns, tmp_path / "run", max_steps=20)
    assert len(history) == 20
    assert int(loss.num_steps) == 20
    assert np.mean(history[-5:]) < np.mean(history[:5]) - 0.5
    trained = model.encode(list(SENTENCES))
    assert np.abs(trained - untrained).max() > 1e-2

    model.save_pretrained(str(tmp_path / "saved"))
    encoder = Encoder.load(tmp_path / "saved")
    np.testing.assert_allclose(encoder.encode(SENTENCES), trained, atol=1e-5)
    assert "hncse-hnm" in (tmp_path / "saved" / "README.md").read_text()

    encoder.save(tmp_path / "again")
    again = library.SentenceTransformer(str(tmp_path / "again"), device="cpu")
    np.testing.assert_allclose(again.encode(list(SENTENCES)), trained, atol=1e-5)


def test_simcse_trains_exactly_as_the_librarys_own_loss(tmp_path: Path) -> None:
    Encoder.load(tiny_bert(tmp_path / "plain", dropout=0.0), pooling="avg").save(tmp_path / "start")
    columns = {"anchor": list(SENTENCES[:8]), "positive": list(SENTENCES[8:])}
    histories = []
    for build in (
        lambda model: losses.MultipleNegativesRankingLoss(model, scale=20.0),
        lambda model: ContraposeLoss(model, "simcse", temperature=0.05),
    ):
        model = library.SentenceTransformer(str(tmp_path / "start"), device="cpu")
        histories.append(train(model, build(model), columns, tmp_path / "run", max_steps=4))
    assert histories[0] == pytest.approx(histories[1], abs=1e-3)
    assert histories[0][0] > 0.1


def test_evaluation_during_training_changes_no_step(tmp_path: Path) -> None:
    Encoder.load(tiny_bert(tmp_path / "plain"), pooling="avg").save(tmp_path / "start")
    model = library.SentenceTransformer(str(tmp_path / "start"), device="cpu")
    loss = ContraposeLoss(model, "simcse", parts=["queue"], queue_size=100)
    columns = {"anchor": list(SENTENCES[:8]), "positive": list(SENTENCES[8:])}
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "run"),
        per_device_train_batch_size=4,
        max_steps=4,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    data = datasets.Dataset.from_dict(columns)
    trainer = library.SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=data, eval_dataset=data, loss=loss
    )
    trainer.train()
    evaluated = [record["eval_loss"] for record in trainer.state.log_history if "eval_loss" in record]
    assert len(evaluated) == 4
    assert int(loss.num_steps) == 4
    assert int(loss.objective.parts["queue"].num_seen) == 16
