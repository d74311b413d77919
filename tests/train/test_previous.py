"""A run with an earlier model beside it: frozen or a copy, resumed to the bit, refused where it does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import ModelError, ResumeRefused, UsageError
from contrapose.train.checkpoint import load
from tests.train.runs import Killed, Place, Witness, outcome, plain_bert, run_tiny, step_rows


@pytest.mark.parametrize("previous", ["start", "self"])
def test_goes_on_to_the_same_bytes(place: Place, tmp_path: Path, previous: str) -> None:
    options = {"method": "pnr", "previous": previous, "previous_dropout": True}
    one = run_tiny(place, tmp_path / "one", **options)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=8), **options)
    run_tiny(place, tmp_path / "cut", resume=True, **options)
    assert outcome(tmp_path / "cut") == outcome(one.folder)
    saved = load(one.folder / "checkpoints", 12)
    assert saved.of("objective").keys() == {
        f"parts.previous-targets.predictor.{name}"
        for name in ("0.weight", "1.weight", "1.bias", "3.weight", "3.bias")
    }
    assert bool(saved.of("companions")) == (previous == "self"), "what is frozen is in no checkpoint"
    assert not any(
        "predictor" in path.read_text(errors="replace") for path in one.model_folder.glob("*.json")
    )
    for row in step_rows(one.folder):
        assert row["loss"] == pytest.approx(row["loss_contrast"] + row["loss_targets"], rel=1e-5)
        assert row["pseudo_negative_cosine"] < 1


def test_an_earlier_model_from_a_folder_is_named_in_the_record_and_must_stay(
    place: Place, tmp_path: Path
) -> None:
    earlier = plain_bert(tmp_path / "earlier", seed=3)
    options = {"method": "pnr", "previous": str(earlier)}
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "run", listener=Witness(kill_at=7), **options)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["beside"] == {"previous": Encoder.load(earlier).fingerprint()}
    for path in sorted(earlier.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    plain_bert(earlier, seed=4)
    with pytest.raises(ResumeRefused, match=r"'previous'.*is not what the run was begun with"):
        run_tiny(place, tmp_path / "run", resume=True, **options)


def test_an_earlier_model_that_does_not_fit_is_refused_before_training(place: Place, tmp_path: Path) -> None:
    wide = plain_bert(tmp_path / "wide", width=48)
    with pytest.raises(UsageError, match=r"'previous'.* gives vectors of 48 numbers and .* of 32"):
        run_tiny(place, tmp_path / "run", method="pnr", previous=str(wide))
    with pytest.raises(ModelError, match="the model given by --set previous=no/where cannot be loaded"):
        run_tiny(place, tmp_path / "run", method="simcse", parts=("pseudo-negatives",), previous="no/where")
    assert not (tmp_path / "run").exists()
