"""A run of twins: the margin is measured by the model before training, and all of it comes back after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import UsageError
from contrapose.train.checkpoint import load
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, step_rows

OPTIONS = {"method": "twins", "queue_size": 20}


def test_a_run_goes_on_to_the_same_bytes_with_its_queue(place: Place, tmp_path: Path) -> None:
    one = run_tiny(place, tmp_path / "one", **OPTIONS)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **OPTIONS)
    run_tiny(place, tmp_path / "cut", resume=True, **OPTIONS)
    assert outcome(tmp_path / "cut") == outcome(one.folder)
    saved = load(one.folder / "checkpoints", 12)
    assert int(saved.of("objective")["parts.queue.num_seen"]) == 12 * 8
    assert not saved.of("companions"), "the model before training is loaded again, not saved"
    for row in step_rows(one.folder):
        assert row["loss"] == pytest.approx(row["loss_contrast"] + row["loss_twins"], rel=1e-5)
        assert 0 < row["innate_margin"] <= 0.3


def test_texts_without_a_fraternal_twin_are_refused_before_training(place: Place, tmp_path: Path) -> None:
    for options in ({"method": "twins", "views": "dropout"}, {"method": "simcse", "parts": ["twins-margin"]}):
        with pytest.raises(UsageError, match=r"needs the view 'fraternal'.*--views") as error:
            run_tiny(place, tmp_path / "refused", **options)
        assert "twins" in str(error.value)
        assert not (tmp_path / "refused").exists()
