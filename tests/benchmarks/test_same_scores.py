from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.same_scores import available, missing, rows_of, scores


def row(setting: str, seed: int, mean: float, steps: int = 100) -> dict[str, Any]:
    return {"setting": setting, "seed": seed, "steps": steps, "mean": mean}


def test_a_difference_is_of_the_seeds_that_both_have() -> None:
    rows = [row("fp32", 0, 70.0), row("fp32", 1, 72.0), row("bf16", 0, 70.05), row("bf16", 2, 90.0)]
    told = {each["name"]: each for each in rows_of(rows)}
    assert told["mean STS, bf16 - fp32"]["measured"] == pytest.approx(0.05)
    assert told["mean STS, bf16 - fp32"]["note"] == "the same; each seed: +0.05"
    assert told["mean STS trained with fp32"]["measured"] == 71.0
    assert f"deviation {statistics.stdev([70, 72]):.2f}" in told["mean STS trained with fp32"]["note"]
    assert told["mean STS, tiled - fp32"]["measured"] is None


def test_a_difference_above_a_tenth_is_called_different() -> None:
    told = {each["name"]: each for each in rows_of([row("fp32", 0, 70.0), row("tiled", 0, 69.8)])}
    assert told["mean STS, tiled - fp32"]["note"].startswith("different")


def test_runs_that_are_there_are_not_done_again() -> None:
    rows = [row("fp32", 0, 70.0), row("bf16", 0, 70.0, steps=5)]
    assert missing(rows, [0, 1], 100, ["fp32", "bf16"]) == [("bf16", 0), ("fp32", 1), ("bf16", 1)]
    assert set(available()) >= {"fp32", "bf16"}


def test_scores_are_of_the_pairs_that_the_data_hold(shared_data: Path) -> None:
    class Random:
        width = 8

        def encode(self, texts: list[str], **_: Any) -> np.ndarray:
            return np.random.default_rng(0).standard_normal((len(texts), 8)).astype(np.float32)

    values = scores(Random(), shared_data / "senteval", pairs=20)
    assert set(values) == {"STS-B", "STS12", "STS13", "STS14", "STS15", "STS16"}
    assert all(-100 <= value <= 100 for value in values.values())
