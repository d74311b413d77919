"""Every task of the shared folders: constant vectors are called collapsed, random ones get chance; CONTRAPOSE_DATA.

And transfer accuracies of the embedded encoder are those that scikit-learn finds on the same vectors.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.senteval_transfer import read_transfer
from contrapose.evaluate.suite import evaluate
from contrapose.evaluate.transfer import PROTOCOLS, WEIGHT_DECAYS, TransferTask, stratified_folds
from tests.evaluate.fakes import constant, random_directions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FOLDERS = ("senteval", "sts-crosslingual", "corpora")
GROUPS = ["sts", "transfer", "crosslingual", "retrieval", "pairs", "clustering", "geometry"]


@pytest.fixture(scope="module")
def data() -> Path:
    root = Path(os.environ.get("CONTRAPOSE_DATA", ""))
    if not os.environ.get("CONTRAPOSE_DATA") or not (root / "senteval").is_dir():
        pytest.skip("set CONTRAPOSE_DATA to the folder that holds senteval/ to run this test")
    return root


def test_constant_vectors_are_called_collapsed_on_every_real_task(data: Path) -> None:
    found = evaluate(constant(), GROUPS, [data / folder for folder in FOLDERS])
    assert not found.problems
    judged = [result for result in found.results if result.task != "geometry"]
    assert len({result.task for result in judged}) >= 20
    assert all(math.isnan(result.value) and result.details["collapsed"] for result in judged)


def test_random_vectors_get_chance_on_every_real_task(data: Path) -> None:
    folders = [data / folder for folder in FOLDERS]
    found = evaluate(
        random_directions(), GROUPS, folders, transfer_protocol="senteval-transfer-fast", precision=None
    )
    assert not found.problems
    for result in found.results:
        low, high = result.details["interval"]
        assert low <= result.value <= high, result
        if result.metric == "accuracy":
            # A classifier that learns nothing gives one class, or draws among them; "chance" is the best one.
            luck = 400 * math.sqrt(0.25 / result.rows)
            even = 100 / len(result.details["classes"])
            assert even - luck < result.value < result.details["chance"] + luck, result
        elif result.metric == "spearman":
            # Four standard deviations of chance; pairs of equal sentences are equal to any encoder, and well scored.
            luck = 400 / math.sqrt(result.rows - 1)
            assert -luck < result.value < max(25, luck), result
        elif result.metric == "average_precision":
            assert abs(result.value - result.details["chance"]) < 10, result
        elif result.metric in ("ndcg@10", "mrr@10"):
            assert result.value < 10, result
        elif result.metric == "v_measure":
            assert result.value < 40, result


#: Ours of one seed has a standard deviation of 0.7 (CR) and 0.8 (TREC) points: luck of the folds, the mini-batches and
#: the rows that stop a training. The mean over ten seeds was 0.8 below (CR) and 0.7 above (TREC) scikit-learn's best:
#: ours is stopped early, and chooses its weight decay without the test rows. To these 0.8 come two standard errors of
#: the mean of five.
SEEDS, POINTS_TO_SCIKIT_LEARN = range(1111, 1116), 1.5


@pytest.mark.parametrize("task", ["CR", "TREC"])
def test_accuracy_is_that_of_scikit_learns_optimum(data: Path, task: str) -> None:
    """With the same weight decays: loss / n + decay / 2 |W|^2 is scikit-learn's with C = 1 / (decay n)."""
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="scikit-learn comes with the extra 'st'"
    )
    from contrapose.encoder.encoder import Encoder

    texts = read_transfer(data / "senteval", task)
    encodings = encode_once(Encoder.load("minilm"), texts.texts)
    protocol = PROTOCOLS["senteval-transfer"]
    ours = [
        TransferTask(data=texts, protocol=protocol, seed=seed).score(encodings)[0].value for seed in SEEDS
    ]
    x_ND, labels_N = encodings.of(texts.first), texts.labels_N
    if (texts.split == "all").all():
        fold_N = stratified_folds(labels_N, 10, 1111)
        divisions = [(fold_N != fold, fold_N == fold) for fold in range(10)]
    else:
        divisions = [(texts.split == "train", texts.split == "test")]
    theirs = []
    for decay in WEIGHT_DECAYS:
        right = [
            linear_model.LogisticRegression(C=1 / (decay * learn.sum()), max_iter=1000)
            .fit(x_ND[learn], labels_N[learn])
            .predict(x_ND[test])
            == labels_N[test]
            for learn, test in divisions
        ]
        theirs.append(100 * float(np.concatenate(right).mean()))
    assert np.mean(ours) == pytest.approx(max(theirs), abs=POINTS_TO_SCIKIT_LEARN), (ours, theirs)
