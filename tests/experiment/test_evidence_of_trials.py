from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrapose.experiment.evidence_of_trials import TaskEvidence, evidence_of
from contrapose.experiment.trials import Measured, Trial, Trials


def test_what_a_trial_measured_is_read_back_with_gold_and_parts(tmp_path: Path) -> None:
    gold, cosine, parts = np.arange(9.0), np.arange(9.0)[::-1].copy(), np.repeat([0, 1, 2], 3)
    value = {"metric": "spearman", "protocol": "p", "value": -100.0}
    arrays = {"values": cosine, "gold": gold, "parts": parts}
    measured = Measured(
        values={
            "A": value,
            "B": {**value, "metric": "accuracy", "value": 50.0},
            "C": {**value, "value": None},
        },
        evidence={
            **{f"A|spearman|{name}": array for name, array in arrays.items()},
            "B|accuracy|values": np.array([0.0, 1.0]),
            "C|spearman|values": cosine,
        },
    )
    trials = Trials(tmp_path, experiment="compare")
    (entry,) = trials.run([Trial(factors={}, options={})], lambda trial, place: measured)
    found = evidence_of(trials.ledger, entry)
    assert list(found) == ["A", "B"]
    assert found["A"].value() == pytest.approx(-100)
    assert found["A"].parts_N is not None
    assert (found["B"].kind, found["B"].value()) == ("mean", 50.0)


def test_two_models_get_the_same_draws_of_a_task_and_other_draws_of_another() -> None:
    rows = np.random.default_rng(0).random(50)
    first, again = (TaskEvidence("mean", rows, task="A").resampled(resamples=20, seed=s) for s in (1, 2))
    other = TaskEvidence("mean", rows, task="B").resampled(resamples=20)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
