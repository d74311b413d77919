from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores, mean_resampled
from contrapose.evaluate.results import Result, average
from contrapose.evaluate.statistics import percentiles

BASE = Result(
    task="STS12",
    metric="spearman",
    value=70.0,
    protocol="senteval-all",
    rows=9,
    model="m",
    split="test",
    text="raw",
)


def other(**changes: object) -> Result:
    return dataclasses.replace(BASE, **{"task": "STS13", "value": 80.0, **changes})


def test_average_is_the_plain_mean_and_says_over_what() -> None:
    mean = average([BASE, other(rows=1000)])
    assert mean.to_json() == {
        "over": ["STS12", "STS13"], "protocol": "senteval-all", "value": 75.0,
        "metric": "spearman", "split": "test", "text": "raw", "rows": 1009, "interval": None,
    }  # fmt: skip


def test_the_interval_of_a_mean_is_that_of_resampling_every_task_alone() -> None:
    generator = np.random.default_rng(0)
    evidences = [
        PerExampleScores("mean", (generator.random(rows) < 0.7).astype(float)) for rows in (200, 400, 800)
    ]
    results = []
    for number, evidence in enumerate(evidences):
        found = evidence.interval()
        details = {"interval": [found.low, found.high]}
        results.append(other(task=f"t{number}", value=found.estimate, details=details))
    mean = average(results)
    low, high = percentiles(mean_resampled(evidences), 0.95)
    assert mean.interval == pytest.approx((low, high), abs=0.25)
    assert mean.interval is not None
    assert mean.interval[1] - mean.interval[0] < min(evidence.interval().high for evidence in evidences)
    assert average([*results, BASE]).interval is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("protocol", "senteval-mean"), ("metric", "pearson"), ("split", "dev"), ("model", "n")],
)
def test_unlike_numbers_are_never_averaged(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"refusing to average across {name}s: .*{value}"):
        average([BASE, other(**{name: value})])


def test_a_task_counts_once_and_nothing_has_no_mean() -> None:
    with pytest.raises(UsageError, match="with itself"):
        average([BASE, BASE])
    with pytest.raises(UsageError, match="nothing to average"):
        average([])


def test_mixed_text_forms_are_shown() -> None:
    assert average([BASE, other(text="tokenised")]).text == "mixed"


def test_undefined_part_makes_the_average_undefined_and_null_in_json() -> None:
    mean = average([BASE, other(value=float("nan"))])
    assert math.isnan(mean.value)
    assert json.loads(json.dumps(mean.to_json(), allow_nan=False))["value"] is None


def test_nan_deep_in_details_is_null_in_json() -> None:
    plain = other(details={"subsets": {"a": {"value": float("nan")}}}).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False))["details"] == {"subsets": {"a": {"value": None}}}
