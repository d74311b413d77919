from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from contrapose.errors import TrainingDiverged, UsageError
from contrapose.experiment.trials import Trial, TrialListener, TrialResult, Trials
from contrapose.storage.durable import RunLock
from tests.waiting import PATIENCE, wait_until


def trials(count: int) -> list[Trial]:
    return [
        Trial(factors={"seed": seed}, options={"method": "simcse", "seed": seed}) for seed in range(count)
    ]


def seed_as_value(trial: Trial, folder: Path) -> TrialResult:
    value = {"metric": "spearman", "protocol": "p", "value": float(trial.options["seed"]), "rows": 3}
    return TrialResult(values={"T": value}, evidence={"T|spearman|values": np.arange(3.0)})


def test_rows_come_in_the_order_asked_for_and_nothing_is_measured_twice(tmp_path: Path) -> None:
    measured = []

    def counting(trial: Trial, folder: Path) -> TrialResult:
        measured.append(trial.options["seed"])
        return seed_as_value(trial, folder)

    mine = Trials(tmp_path, experiment="compare")
    mine.run(trials(2), counting)
    rows = mine.run(list(reversed(trials(3))), counting)
    assert measured == [0, 1, 2]
    assert [row.body["factors"]["seed"] for row in rows] == [2, 1, 0]
    assert mine.ledger.evidence(rows[0])["T|spearman|values"].tolist() == [0, 1, 2]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_trial_is_known_by_its_options_not_by_what_it_is_called(tmp_path: Path) -> None:
    mine = Trials(tmp_path, experiment="compare")
    mine.run(trials(1), seed_as_value)
    renamed = Trial(factors={"x": "y"}, options={"seed": 0, "method": "simcse"})
    (row,) = mine.run([renamed], lambda trial, folder: pytest.fail("measured again"))
    assert row.body["factors"] == {"seed": 0}


def test_divergence_is_a_result_and_any_other_error_ends_the_run(tmp_path: Path) -> None:
    def failing(trial: Trial, folder: Path) -> TrialResult:
        if trial.options["seed"] == 0:
            raise TrainingDiverged("10 steps in a row")
        raise UsageError("no such method")

    mine = Trials(tmp_path, experiment="sweep")
    with pytest.raises(UsageError):
        mine.run(trials(2), failing)
    (row,) = mine.rows().values()
    assert row.body["facts"] == {"failed": "10 steps in a row"}
    assert row.body["values"] == {}
    assert len(mine.run(trials(2), seed_as_value)) == 2


def test_what_an_interrupted_attempt_left_is_there_for_the_next(tmp_path: Path) -> None:
    def interrupted(trial: Trial, folder: Path) -> TrialResult:
        (folder / "half").write_text("done")
        raise KeyboardInterrupt

    def going_on(trial: Trial, folder: Path) -> TrialResult:
        assert (folder / "half").read_text() == "done"
        return seed_as_value(trial, folder)

    mine = Trials(tmp_path, experiment="compare")
    with pytest.raises(KeyboardInterrupt):
        mine.run(trials(1), interrupted)
    assert len(mine.run(trials(1), going_on)) == 1


def _worker(folder: Path, log: Path) -> None:
    def slowly(trial: Trial, folder: Path) -> TrialResult:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {trial.options['seed']}\n")
        time.sleep(0.05)
        return seed_as_value(trial, folder)

    Trials(folder, experiment="compare").run(trials(6), slowly)


def _stuck(folder: Path) -> None:
    Trials(folder, experiment="compare").run(trials(1), lambda trial, folder: time.sleep(600))


def test_two_processes_share_the_trials_and_repeat_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    workers = [context.Process(target=_worker, args=(tmp_path / "x", log)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    seeds = sorted(int(line.split()[1]) for line in log.read_text().splitlines())
    assert seeds == [0, 1, 2, 3, 4, 5]
    assert len(Trials(tmp_path / "x", experiment="compare").rows()) == 6


def test_the_trial_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=_stuck, args=(tmp_path,))
    worker.start()
    wait_until(lambda: list(tmp_path.glob("work/*/run.lock")), at_work=worker.is_alive)
    os.kill(worker.pid or 0, signal.SIGKILL)
    worker.join(PATIENCE)
    assert len(Trials(tmp_path, experiment="compare").run(trials(1), seed_as_value)) == 1


def test_the_listener_hears_how_much_is_done(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []

    class Heard(TrialListener):
        def begun(self, done: int, total: int, trial: Trial) -> None:
            said.append(("begun", done, total))

        def ended(self, done: int, total: int, row: object) -> None:
            said.append(("ended", done, total))

    Trials(tmp_path, experiment="compare").run(trials(2), seed_as_value, Heard())
    assert said == [("begun", 0, 2), ("ended", 1, 2), ("begun", 1, 2), ("ended", 2, 2)]


def test_where_more_trials_are_expected_all_of_the_folder_are_counted(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []

    class Heard(TrialListener):
        def ended(self, done: int, total: int, row: object) -> None:
            said.append((done, total))

    mine = Trials(tmp_path, experiment="sweep", expected=5)
    for trial in trials(3):
        mine.run([trial], seed_as_value, Heard())
    assert said == [(1, 5), (2, 5), (3, 5)]


def test_what_another_process_holds_is_left_to_it(tmp_path: Path) -> None:
    mine = Trials(tmp_path, experiment="compare")
    first, second = trials(2)
    (tmp_path / "work" / first.key).mkdir(parents=True)
    with RunLock(tmp_path / "work" / first.key):
        assert mine.take([first, second], seed_as_value, TrialListener())
        assert list(mine.rows()) == [second.key]
        assert not mine.take([first, second], seed_as_value, TrialListener())
    assert mine.take([first, second], seed_as_value, TrialListener())
