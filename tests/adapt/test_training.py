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

PLANNED = [Planned(kind=PAIRS, signal=signal, steps=10, seconds=4.0, once=2.0) for signal in SIGNALS[:2]]
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


def trainings(folder: Path, tiny: Path, left: list[float]) -> tuple[training.Trainings, list[str]]:
    """Of a folder, where so many seconds are left before each training; and the notices."""
    if not (folder / folders.PLAN).is_file():
        write_json(folder / folders.PLAN, {"steps": {}})
    told: list[str] = []
    remaining = iter(left)
    made = training.Trainings(
        folder=folder,
        settings=AdaptSettings(corpus=("rows",), out=str(folder)),
        model=str(tiny),
        rows_of=lambda planned, whole: folder / ("all" if whole else "rows"),
        seconds_left=lambda looks: next(remaining),
        tell=told.append,
        listener=Listener(),
    )
    return made, told


CPU = torch.device("cpu")


def test_with_time_enough_all_is_trained_and_what_is_taken_once_more(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    made, told = trainings(tmp_path, tiny, [100.0] * 3)
    assert set(made.run(PLANNED, CPU)) == {FIRST, SECOND}
    assert set(made.again(PLANNED[1:], CPU)) == {SECOND}
    assert trained == [FIRST, SECOND, f"{SECOND}-all"]
    assert (made.reasons, told) == ({}, [])


def test_a_signal_with_no_time_left_is_left_out_with_its_reason_and_stays_out(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    made, told = trainings(tmp_path, tiny, [100.0, 1.0])
    assert set(made.run(PLANNED, CPU)) == {FIRST}
    assert made.reasons == {SECOND: wording.TOO_SLOW}
    assert "'pairs' is left out" in told[0]
    assert read_json_object(tmp_path / folders.PLAN)["steps"] == {SECOND: 0}


def test_nothing_is_trained_once_more_where_no_time_is_left(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    made, _ = trainings(tmp_path, tiny, [100.0, 100.0, 1.0, 1.0])
    made.run(PLANNED, CPU)
    assert made.again(PLANNED, CPU) == {}
    assert trained == [FIRST, SECOND]


def test_what_was_trained_before_a_stop_is_not_asked_for_time(
    tmp_path: Path, tiny: Path, trained: list[str]
) -> None:
    made, _ = trainings(tmp_path, tiny, [100.0] * 4)
    made.run(PLANNED, CPU)
    made.again(PLANNED, CPU)
    resumed, _ = trainings(tmp_path, tiny, [])
    assert set(resumed.run(PLANNED, CPU)) == set(resumed.again(PLANNED, CPU)) == {FIRST, SECOND}
    assert len(trained) == 4


def test_both_seeds_and_all_rows_are_used(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int]] = []

    def told(rows: Path, *_: Any, out: Path, seed: int, **__: Any) -> None:
        given.append((rows.name, seed))
        out.mkdir(parents=True)
        Encoder.load(tiny, head="none").save(out / "model")

    monkeypatch.setattr(training, "train", told)
    made, _ = trainings(tmp_path, tiny, [100.0] * 2)
    made.run(PLANNED[:1], CPU)
    made.again(PLANNED[:1], CPU)
    (first, seed), (second, other_seed) = given
    assert (first, second) == ("rows", "all")
    assert seed == 0 != other_seed
