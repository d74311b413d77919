"""Trainings keep to the minutes: what a machine that became slower has no time for is left out, and stays left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contrapose.adapt import folder as folders
from contrapose.adapt import training, wording
from contrapose.adapt.budget import Planned
from contrapose.adapt.settings import AdaptSettings
from contrapose.adapt.signals import SIGNALS
from contrapose.adapt.texts import PAIRS
from contrapose.encoder.encoder import Encoder
from contrapose.foreign import read_json_object
from contrapose.listening import Listener
from contrapose.storage.durable import write_json
from tests.tiny import tiny_bert

PLANNED = [
    Planned(kind=PAIRS, signal=signal, steps=10, seconds=4.0, once=2.0, trainings=2) for signal in SIGNALS[:2]
]
FIRST, SECOND = (each.name for each in PLANNED)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def trained(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trainings that were run, by name; each gives the model that it began with."""
    names: list[str] = []

    def quickly(*_: Any, out: Path, **__: Any) -> None:
        names.append(out.name)
        out.mkdir(parents=True)
        Encoder.load(tiny, head="none").save(out / "model")

    monkeypatch.setattr(training, "train", quickly)
    return names


def run(folder: Path, tiny: Path, left: list[float]) -> tuple[set[str], dict[str, str], list[str]]:
    """(signals that have weights, reasons, notices) where so many seconds are left before each training."""
    if not (folder / folders.PLAN).is_file():
        write_json(folder / folders.PLAN, {"steps": {}, "trainings": {}})
    told: list[str] = []
    remaining = iter(left)
    trainings = training.Trainings(
        folder=folder,
        settings=AdaptSettings(corpus=("rows",), out=str(folder)),
        model=str(tiny),
        rows_of=lambda planned: folder / "rows",
        seconds_left=lambda: next(remaining),
        tell=told.append,
        listener=Listener(),
    )
    return set(trainings.run(PLANNED, torch.device("cpu"))), trainings.reasons, told


def test_with_time_enough_all_is_trained_the_second_trainings_last(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    assert run(tmp_path, tiny, [100.0] * 4) == ({FIRST, SECOND}, {}, [])
    assert trained == [FIRST, SECOND, f"{FIRST}-2", f"{SECOND}-2"]


def test_what_is_late_is_left_out_and_written_down(tmp_path: Path, tiny: Path, trained: list[str]) -> None:
    signals, reasons, told = run(tmp_path, tiny, [100.0, 100.0, 100.0, 1.0])
    assert (signals, reasons) == ({FIRST, SECOND}, {})
    assert trained == [FIRST, SECOND, f"{FIRST}-2"]
    assert "'pairs' once more is left out" in told[0]
    assert read_json_object(tmp_path / folders.PLAN)["trainings"] == {SECOND: 1}


def test_a_signal_with_no_time_left_has_that_as_its_reason(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    signals, reasons, _ = run(tmp_path, tiny, [100.0, 1.0, 100.0])
    assert (signals, reasons) == ({FIRST}, {SECOND: wording.TOO_SLOW})
    assert trained == [FIRST, f"{FIRST}-2"], "and it is not trained once more either"
    assert read_json_object(tmp_path / folders.PLAN)["steps"] == {SECOND: 0}


def test_what_was_trained_before_a_stop_is_not_asked_for_time(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    run(tmp_path, tiny, [100.0] * 4)
    assert run(tmp_path, tiny, [])[0] == {FIRST, SECOND}
    assert len(trained) == 4
