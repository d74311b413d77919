"""What stops a classifier: rows of its own, or, as SentEval has it, the fold that it is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrapose.evaluate import transfer
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.explained import definition_of
from contrapose.evaluate.folds import stratified_folds
from contrapose.evaluate.senteval_transfer import read_transfer
from contrapose.evaluate.transfer import DEV_SHARE, PROTOCOLS, WEIGHT_DECAYS, TransferTask
from tests.evaluate.fakes import random_directions
from tests.evaluate.folders import write_transfer

FOLDS = 10


class Calls(list[dict[str, Any]]):
    """What every training was given, and what it gave."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    found, real = Calls(), transfer.fit_all

    def watched(*args: Any, **options: Any) -> Any:
        result = real(*args, **options)
        found.append({**options, "result": result})
        return result

    monkeypatch.setattr(transfer, "fit_all", watched)
    return found


def scored(root: Path, task: str, protocol: str) -> Any:
    made = TransferTask(data=read_transfer(root, task), protocol=PROTOCOLS[protocol])
    (result,) = made.score(encode_once(random_directions(), made.texts))
    return made, result


def test_the_official_protocol_stops_on_the_fold_that_it_scores(tmp_path: Path, calls: Calls) -> None:
    made, result = scored(write_transfer(tmp_path), "TREC", "senteval-transfer-official")
    choosing, final = calls
    folds_N = stratified_folds(made.data.labels_N[made.data.split == "train"], FOLDS, made.seed)
    for number, (learn_N, stop_N) in enumerate(zip(choosing["train_FN"], choosing["dev_FN"], strict=True)):
        np.testing.assert_array_equal(stop_N, folds_N == number % FOLDS)
        np.testing.assert_array_equal(learn_N, folds_N != number % FOLDS)
    # Scored on the very rows that chose the best weights: the score is the best accuracy of all looks.
    by_decay = choosing["result"].dev_accuracy_F.reshape(len(WEIGHT_DECAYS), FOLDS).mean(axis=1)
    assert result.details["dev_accuracy"] == pytest.approx(100 * by_decay.max(), abs=0.006)
    assert result.details["weight_decay"] == [WEIGHT_DECAYS[int(np.round(100 * by_decay, 2).argmax())]]
    train = made.data.split == "train"
    assert final["dev_FN"].sum() == round(DEV_SHARE * train.sum()), (
        "the last training is stopped by 5% of its rows"
    )


def test_the_usual_protocol_shows_no_training_the_fold_that_scores_it(tmp_path: Path, calls: Calls) -> None:
    made, _ = scored(write_transfer(tmp_path), "TREC", "senteval-transfer")
    choosing, _ = calls
    folds_N = stratified_folds(made.data.labels_N[made.data.split == "train"], FOLDS, made.seed)
    for number, (learn_N, stop_N) in enumerate(zip(choosing["train_FN"], choosing["dev_FN"], strict=True)):
        assert not (learn_N | stop_N)[folds_N == number % FOLDS].any()
        assert stop_N.sum() == round(DEV_SHARE * (folds_N != number % FOLDS).sum())


def test_with_folds_of_its_own_every_inner_fold_stops_its_trainings(tmp_path: Path, calls: Calls) -> None:
    made, result = scored(write_transfer(tmp_path, rows=110), "CR", "senteval-transfer-official")
    choosing, final = calls
    assert len(choosing["train_FN"]) == FOLDS * len(WEIGHT_DECAYS) * FOLDS
    outer_N = stratified_folds(made.data.labels_N, FOLDS, made.seed)
    for number, (learn_N, stop_N) in enumerate(zip(choosing["train_FN"], choosing["dev_FN"], strict=True)):
        outside_N = outer_N != number // (len(WEIGHT_DECAYS) * FOLDS)
        np.testing.assert_array_equal(learn_N | stop_N, outside_N)
        assert stop_N.sum() == pytest.approx(outside_N.sum() / FOLDS, abs=1)
    assert len(final["train_FN"]) == FOLDS
    assert result.protocol == "senteval-transfer-official"


def test_the_departure_is_listed_where_it_is_one(tmp_path: Path) -> None:
    root = write_transfer(tmp_path)
    for protocol in PROTOCOLS:
        _, result = scored(root, "TREC", protocol)
        words = definition_of(result)
        assert "share their mini-batches" in words
        assert ("not by the fold that scores them" in words) == (protocol != "senteval-transfer-official")
