"""IFND in a run: clusters at known steps, kept over a kill, and refused before training where there are too many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contrapose.errors import UsageError
from contrapose.train.checkpoint import load
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, step_rows

OPTIONS: dict[str, Any] = {
    "method": "ifnd",
    "parts": ["queue"],
    "queue_size": 20,
    "num_clusters": 2,
    "accepted_share": 1.0,
    "recluster_every": 4,
}


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clusters") / "whole"
    return run_tiny(place, out, save_every=1, keep=20, **OPTIONS).folder


def clusters(folder: Path, step: int) -> torch.Tensor:
    return load(folder / "checkpoints", step).of("objective")["parts.cluster-filter.clusters_GN"]


def test_rows_are_clustered_at_their_steps_and_held_out_rows_never(whole: Path) -> None:
    at = {step: clusters(whole, step) for step in (1, 4, 5, 8, 9)}
    assert torch.equal(at[1], at[4])
    assert not torch.equal(at[4], at[5])
    assert torch.equal(at[5], at[8])
    assert all(((table >= 0).sum(1) == 108).all() for table in at.values()), "twelve rows are held out"


def test_more_false_negatives_are_found_as_the_share_grows(whole: Path) -> None:
    rows = step_rows(whole)
    assert [row["accepted_share"] for row in rows] == pytest.approx([step / 12 for step in range(12)])
    found = [row["false_negatives"] for row in rows]
    assert found[0] == 0
    assert found[-1] > 1, "eight rows and twenty in the queue, in two clusters"
    assert all(row["struck_out"] >= row["false_negatives"] for row in rows)


@pytest.mark.parametrize("kill_at", [3, 4, 6])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    whole: Path, place: Place, tmp_path: Path, kill_at: int
) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at), save_every=2, **OPTIONS)
    run_tiny(place, tmp_path / "cut", resume=True, save_every=2, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(whole)


def test_without_a_share_the_run_is_that_of_simcse(place: Place, tmp_path: Path) -> None:
    ours, plain = (
        run_tiny(place, tmp_path / method, method=method, steps=3, **more)
        for method, more in (("ifnd", {"accepted_share": 0.0}), ("simcse", {}))
    )
    losses = [[row["loss"] for row in step_rows(run.folder)] for run in (ours, plain)]
    assert losses[0] == losses[1]


def test_more_clusters_than_rows_are_refused_before_training(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="num_clusters is 109, and the corpus has 108 rows to train on"):
        run_tiny(place, tmp_path / "run", **{**OPTIONS, "num_clusters": 109})
    assert not (tmp_path / "run").exists()
