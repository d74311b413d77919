"""Configurations from a shared study: none twice, none lost, none beyond the count."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

from contrapose.errors import StorageError, UsageError
from contrapose.experiment.measuring import Setting
from contrapose.experiment.proposals import Proposals
from contrapose.experiment.ranges import draws, parse_over
from contrapose.experiment.sweep import Sweep
from contrapose.experiment.trials import Trial, TrialListener, TrialResult, Trials
from tests.waiting import PATIENCE, wait_until

OVER = "temperature=0.01..0.1,margin=0..0.5"
FACTORS = parse_over(OVER, "focal-infonce")
DEFAULTS = 1


def proposals(folder: Path, **changes: Any) -> Proposals:
    folder.mkdir(exist_ok=True)
    return Proposals(folder, FACTORS, **{"name": "s", "total": 6, **changes})


def work(study: Proposals) -> list[dict[str, float]]:
    done = []
    while study.propose():
        for point in study.unfinished():
            study.tell(point, point.values["margin"], [])
            done.append(dict(point.values))
    return done


def sweep(folder: Path, **changes: Any) -> Sweep:
    text = folder / "text.txt"
    # Written once: whoever writes it again shows an empty file to the others for a moment.
    if not text.exists():
        text.write_text("a\n")
    setting = Setting(corpus=(str(text),), tasks=(), split="dev")
    return Sweep(setting=setting, method="focal-infonce", over=OVER, configurations=6, **changes)


def margin_as_value(trial: Trial, folder: Path) -> TrialResult:
    value = {"metric": "spearman", "protocol": "p", "value": trial.options["margin"]}
    return TrialResult(values={"T": value})


def test_what_is_known_beforehand_comes_in_its_order(tmp_path: Path) -> None:
    known = draws(FACTORS, 4)
    study = proposals(tmp_path, total=4, known=known)
    assert work(study) == known == study.measured()


def test_tpe_goes_where_it_was_good(tmp_path: Path) -> None:
    tried = work(proposals(tmp_path, total=30))
    late = [point["margin"] for point in tried[15:]]
    assert sum(late) / len(late) > 0.35


def test_a_configuration_that_was_left_is_there_for_the_next(tmp_path: Path) -> None:
    left = proposals(tmp_path)
    assert left.propose()
    again = proposals(tmp_path)
    assert again.unfinished() == left.unfinished() != []
    assert again.propose()
    assert [point.number for point in left.unfinished()] == [0, 1]


def test_of_two_processes_that_tell_the_same_the_first_is_heard(tmp_path: Path) -> None:
    first, second = proposals(tmp_path), proposals(tmp_path)
    assert first.propose()
    (point,) = second.unfinished()
    first.tell(point, 1.0, [])
    second.tell(point, None, [])
    assert second.unfinished() == []
    assert second.measured() == [point.values]


def test_a_sweep_by_tpe_measures_the_defaults_and_so_many_configurations(tmp_path: Path) -> None:
    asked = sweep(tmp_path, seeds=2)
    trials = Trials(tmp_path, experiment="sweep")
    entries = asked.run_trials(trials, margin_as_value, TrialListener())
    assert len(entries) == 2 * (DEFAULTS + 6) == len(trials.rows())
    with_more = sweep(tmp_path, seeds=3)
    assert len(with_more.run_trials(trials, margin_as_value, TrialListener())) == 3 * (DEFAULTS + 6)


def _worker(folder: Path) -> None:
    sweep(folder).run_trials(Trials(folder, experiment="sweep"), margin_as_value, TrialListener())


def _stuck(folder: Path) -> None:
    def never(trial: Trial, at_work: Path) -> TrialResult:
        if trial.options["margin"] == 0.3:
            return margin_as_value(trial, at_work)  # the defaults
        (folder / "taken").touch()
        signal.pause()
        raise AssertionError

    sweep(folder).run_trials(Trials(folder, experiment="sweep"), never, TrialListener())


def test_processes_share_a_sweep_and_take_over_from_a_killed_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    stuck = context.Process(target=_stuck, args=(tmp_path,))
    stuck.start()
    wait_until((tmp_path / "taken").exists, at_work=stuck.is_alive)
    os.kill(stuck.pid or 0, signal.SIGKILL)
    stuck.join(PATIENCE)
    workers = [context.Process(target=_worker, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    rows = list(Trials(tmp_path, experiment="sweep").rows().values())
    assert len({tuple(row.body["factors"].values()) for row in rows}) == len(rows) == DEFAULTS + 6


def _home(folder: Path, number: int) -> None:
    (folder / f"home-{number}").write_text(proposals(folder / "x")._home)


def test_processes_that_begin_together_are_one_folder_s(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_home, args=(tmp_path, number)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    assert len({path.read_text() for path in tmp_path.glob("home-*")}) == 1


@pytest.mark.parametrize("search", ["random", "tpe"])
def test_folders_that_share_a_database_share_the_configurations_and_their_rows(
    tmp_path: Path, search: str
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    measured: list[str] = []

    def measure(trial: Trial, folder: Path) -> TrialResult:
        measured.append(folder.parents[1].name)
        return margin_as_value(trial, folder)

    asked = sweep(tmp_path, search=search, storage=url)
    for name in ("mine", "other"):
        folder = tmp_path / name
        entries = asked.run_trials(Trials(folder, experiment="sweep"), measure, TrialListener())
        assert len(entries) == DEFAULTS + 6
    assert measured.count("mine") == DEFAULTS + 6
    assert measured.count("other") == DEFAULTS  # its own defaults; all else it heard of


def test_a_storage_that_is_none_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises((UsageError, StorageError), match=r"nosuch://\*\*\*@host") as refusal:
        proposals(tmp_path, storage="nosuch://me:secret@host/db")
    assert "secret" not in str(refusal.value)
