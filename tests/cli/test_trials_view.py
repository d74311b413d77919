from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.cli.trials_view import Pace, TrialsView, watching
from contrapose.errors import Interrupted
from contrapose.experiment.trials import Trial


def pace(*times: float) -> Pace:
    moments = iter(times)
    return Pace(now=lambda: next(moments))


def test_the_start_is_no_measure_of_the_trials_that_train() -> None:
    clock = pace(0.0, 2.0, 2.0, 62.0, 62.0)
    clock.begun(0)
    clock.ended(1, counts=False)
    assert clock.seconds(1, 4) is None
    clock.ended(2)
    assert clock.seconds(2, 4) == 120.0


def test_what_other_processes_finish_counts() -> None:
    clock = pace(0.0, 60.0, 60.0)
    clock.begun(0)
    clock.ended(3)
    assert clock.seconds(3, 9) == 120.0


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
    trial = Trial(factors={"method": "simcse", "seed": 0}, options={})
    view.begun(0, 2, trial)
    view.notice("few rows")
    view.notice("few rows")
    row = {"factors": trial.factors, "facts": {"failed": "10 steps in a row"}, "values": {}, "seconds": 3.0}
    view.ended(1, 2, row)
    told = capsys.readouterr().err
    assert told.count("few rows") == 1
    assert "1 of 2, simcse, seed 0: diverged (10 steps in a row) in 3 s" in told
