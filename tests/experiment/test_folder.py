from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from contrapose.errors import CorruptFile, UsageError
from contrapose.experiment.folder import claim
from contrapose.storage.durable import RunLock
from contrapose.storage.staging import locked_folder
from tests.waiting import PATIENCE


def test_a_folder_is_one_experiments_and_what_differs_is_named(tmp_path: Path) -> None:
    claim(tmp_path / "x", "compare", {"steps": 10, "model": "a"})
    claim(tmp_path / "x", "compare", {"model": "a", "steps": 10})
    (tmp_path / "x" / "trials.jsonl").touch()
    with pytest.raises(UsageError, match=r"steps: 10 there, 20 now\)"):
        claim(tmp_path / "x", "compare", {"steps": 20, "model": "a"})
    with pytest.raises(UsageError, match="made by contrapose compare, and this is contrapose sweep"):
        claim(tmp_path / "x", "sweep", {"steps": 10, "model": "a"})


def test_what_was_refused_before_its_first_trial_may_be_asked_for_otherwise(tmp_path: Path) -> None:
    claim(tmp_path, "compare", {"batch_size": 512})
    claim(tmp_path, "compare", {"batch_size": 8})
    (tmp_path / "work" / "key").mkdir(parents=True)
    with RunLock(tmp_path / "work" / "key"), pytest.raises(UsageError, match="8 there, 512 now"):
        claim(tmp_path, "compare", {"batch_size": 512})


def test_a_run_that_was_begun_and_stopped_keeps_the_folder_for_its_experiment(tmp_path: Path) -> None:
    claim(tmp_path, "federate", {"rounds": 4})
    (tmp_path / "federated").mkdir()
    (tmp_path / "federated" / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="rounds: 4 there, 6 now"):
        claim(tmp_path, "federate", {"rounds": 6})
    assert claim(tmp_path, "federate", {"rounds": 4}) == tmp_path


def _claimed(folder: Path, steps: int, trial: bool) -> None:
    """As an experiment does: the folder, then a trial's folder, then whether the experiment's is still the same."""
    claim(folder, "compare", {"steps": steps})
    if trial:
        locked_folder(folder / "work" / f"trial-{steps}")
        claim(folder, "compare", {"steps": steps})
    (folder / f"claimed-{steps}").touch()


@pytest.mark.parametrize("trial", [False, True])
def test_of_two_that_begin_together_one_has_the_folder(tmp_path: Path, trial: bool) -> None:
    context = multiprocessing.get_context("fork")
    for round in range(4):
        out = tmp_path / f"round-{round}"
        workers = [context.Process(target=_claimed, args=(out, steps, trial)) for steps in (1, 2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
        won = [steps for steps in (1, 2) if (out / f"claimed-{steps}").exists()]
        record = json.loads((out / "experiment.json").read_text())
        assert record in [{"kind": "compare", "steps": steps} for steps in won]
        if trial:
            assert len(won) == 1


def test_a_folder_that_became_another_experiment_s_is_refused_at_the_first_trial(tmp_path: Path) -> None:
    claim(tmp_path, "compare", {"steps": 1})
    claim(tmp_path, "compare", {"steps": 2})
    lock, _ = locked_folder(tmp_path / "work" / "trial")
    with pytest.raises(UsageError, match="2 there, 1 now"):
        claim(tmp_path, "compare", {"steps": 1})
    assert claim(tmp_path, "compare", {"steps": 2}) == tmp_path
    lock.release()


@pytest.mark.parametrize("name", ["run.json", "trials.jsonl"])
def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match=name):
        claim(tmp_path, "compare", {})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_and_a_damaged_record_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        claim(tmp_path / "file", "compare", {})
    (tmp_path / "experiment.json").write_text("{torn")
    with pytest.raises(CorruptFile, match=r"experiment\.json"):
        claim(tmp_path, "compare", {})
