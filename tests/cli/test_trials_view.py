from __future__ import annotations

import time
from pathlib import Path

import pytest

from contrapose.cli.trials_view import TrialsView, watching
from contrapose.errors import Interrupted
from contrapose.experiment.trials import Trial


class Clock:
    """The time of both the view and its estimate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def trial(**factors: object) -> Trial:
    return Trial(factors=factors, options={})


def row(of: Trial) -> dict[str, object]:
    return {"factors": of.factors, "facts": {}, "values": {}, "seconds": 3.0}


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_the_pretrained_model_is_no_measure_of_the_trials_that_train(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    view, untrained, trained = TrialsView(), trial(method="start"), trial(method="simcse", seed=0)
    view.begun(0, 4, untrained)
    clock.now = 2.0
    view.ended(1, 4, row(untrained))
    assert "measuring speed" in told(capsys)
    view.begun(1, 4, trained)
    clock.now = 62.0
    view.ended(2, 4, row(trained))
    assert told(capsys).endswith("2 min left")


def test_what_other_processes_finish_counts(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    view, trained = TrialsView(), trial(method="simcse", seed=0)
    view.begun(0, 9, trained)
    clock.now = 60.0
    view.ended(3, 9, row(trained))  # two others ended meanwhile: 20 s each
    assert told(capsys).endswith("2 min left")


def test_an_interrupted_experiment_counts_from_where_it_goes_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    view, trained = TrialsView(), trial(method="simcse", seed=0)
    view.begun(7, 9, trained)
    clock.now = 600.0
    view.ended(8, 9, row(trained))
    assert told(capsys).endswith("10 min left")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("step 3 is saved", exit_code=143)])
def test_an_interruption_says_what_is_kept_and_how_to_go_on(tmp_path: Path, error: BaseException) -> None:
    view = TrialsView(quiet=True)
    view.begun(2, 7, Trial(factors={"method": "simcse", "seed": 0}, options={}))
    with pytest.raises(Interrupted) as stop, watching(tmp_path, view):
        raise error
    assert "2 of 7 trials are finished" in str(stop.value)
    assert "The same command goes on" in str(stop.value)
    assert stop.value.exit_code == (143 if isinstance(error, Interrupted) else 130)


def test_a_notice_is_told_once_and_a_diverged_trial_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    view = TrialsView()
    trained = trial(method="simcse", seed=0)
    view.begun(0, 2, trained)
    view.notice("few rows")
    view.notice("few rows")
    view.ended(1, 2, {**row(trained), "facts": {"failed": "10 steps in a row"}})
    lines = capsys.readouterr().err
    assert lines.count("few rows") == 1
    assert "1 of 2, simcse, seed 0: diverged (10 steps in a row) in 3 s" in lines
