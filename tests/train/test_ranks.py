"""Processes that die, never come, differ, or go on in another number: each is one clear error, or the same run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from contrapose.errors import UsageError
from contrapose.train.agreement import differences, refuse_differences
from contrapose.train.checkpoint import load as load_checkpoint
from contrapose.train.meeting import Peer
from contrapose.train.run_folder import read_record
from tests.train.processes import steps_logged
from tests.train.ranks import start_ranks
from tests.train.runs import Place, Witness, run_tiny, step_rows
from tests.waiting import PATIENCE, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
LONG: dict[str, Any] = {"steps": 100_000, "save_every": 5}
CALM: dict[str, Any] = {
    "method": "hncse-hnm", "parts": ("queue",), "pool": "batch+queue", "pool_queue_size": 20, "views": "crop",
    "dropout": 0.0, "learning_rate": 1e-4, "save_every": 4,
}  # fmt: skip


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_is_named_by_the_others_with_what_to_do(
    place: Place, tmp_path: Path, victim: int
) -> None:
    ranks = start_ranks(place, tmp_path / "run", 2, **LONG)
    wait_until(lambda: steps_logged(tmp_path / "run") >= 6, at_work=ranks.processes[0].is_alive)
    ranks.processes[victim].kill()
    codes = ranks.join()
    assert codes[victim] == -signal.SIGKILL
    assert codes[1 - victim] == 1
    assert ranks.error(1 - victim) == (
        f"process {1 - victim} of 2: process {victim} ended, or no longer answers; its message says why. What was "
        "saved is kept: start all processes again with the same command and --resume"
    )


@pytest.mark.parametrize(
    ("where", "stands", "victim"),
    [
        ("contrapose.train.loop:save_once", 0, 0),
        ("contrapose.train.checkpoint:save", 0, 0),
        ("contrapose.train.loop:_evaluate", 0, 0),
        ("contrapose.train.loop:refresh", 1, 1),
        ("contrapose.train.beginning:build", 0, 0),
        ("contrapose.train.finish:_choose", 0, 0),
    ],
    ids=["look", "saving", "evaluating", "refreshing", "start", "finish"],
)
@pytest.mark.slow
def test_whatever_a_process_does_when_it_is_killed_the_others_say_so(
    place: Place, tmp_path: Path, where: str, stands: int, victim: int
) -> None:
    options = {"method": "ifnd", "num_clusters": 2, "num_clusterings": 1, "steps": 8, "save_every": 2}
    each = [{"stand_still": where} if rank == stands else {} for rank in range(2)]
    ranks = start_ranks(place, tmp_path / "run", 2, each=each, **options)
    wait_until(lambda: ranks.stands(stands), at_work=ranks.processes[stands].is_alive)
    ranks.processes[victim].kill()
    assert ranks.join()[1 - victim] == 1
    assert f"process {victim} ended" in ranks.error(1 - victim)
    assert "--resume" in ranks.error(1 - victim)


@pytest.mark.slow
def test_of_three_processes_the_killed_one_is_named(place: Place, tmp_path: Path) -> None:
    ranks = start_ranks(place, tmp_path / "run", 3, **LONG)
    wait_until(lambda: steps_logged(tmp_path / "run") >= 3, at_work=ranks.processes[0].is_alive)
    ranks.processes[2].kill()
    assert ranks.join() == [1, 1, -signal.SIGKILL]
    assert any("2 ended" in ranks.error(rank) for rank in (0, 1))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_partner_that_never_comes_is_named_after_the_wait_that_was_asked_for(
    place: Place, tmp_path: Path, missing: int
) -> None:
    wait = {"CONTRAPOSE_JOIN_MINUTES": "0.02"}
    ranks = start_ranks(place, tmp_path / "run", 2, missing=[missing], environment=wait)
    assert ranks.join() == [2]
    error = ranks.error(1 - missing)
    if missing == 1:
        assert error.startswith("process 0 of 2 waited 0.02 minutes for process 1, which did not come")
        assert "CONTRAPOSE_JOIN_MINUTES" in error
    else:
        assert "process 1 of 2 cannot join the others at 127.0.0.1" in error
        assert "process 0 must listen there" in error
    assert not (tmp_path / "run").exists()


def test_processes_that_were_started_for_different_runs_are_told_in_what(
    place: Place, tmp_path: Path
) -> None:
    each = [{}, {"learning_rate": 1e-4, "corpus": place.documents}]
    ranks = start_ranks(place, tmp_path / "run", 2, each=each)
    assert ranks.join() == [2, 2]
    for rank in (0, 1):
        assert "the 2 processes were not started for the same run" in ranks.error(rank)
        assert "training.learning_rate is 0.001 in process 0 and 0.0001 in process 1" in ranks.error(rank)
        assert "data.corpus is " in ranks.error(rank)
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_another_one_on_one_machine_is_told(place: Place, tmp_path: Path) -> None:
    """The same name, and other weights behind it: as where the folders of two machines differ."""
    link = tmp_path / "model"
    link.symlink_to(place.model)
    each = [{"model": link}, {"model": link, "stand_in": (str(link), str(place.masked_lm))}]
    ranks = start_ranks(place, tmp_path / "run", 2, each=each)
    assert ranks.join() == [2, 2]
    for rank in (0, 1):
        assert "; " not in ranks.error(rank).partition(". Give")[0], "they differ in the model alone"
        assert ": model is " in ranks.error(rank)
        assert "in process 1" in ranks.error(rank)


def test_differences_are_named_by_process_and_bounded() -> None:
    told = [{f"name {number}": str(rank) for number in range(9)} for rank in range(2)]
    assert len(differences(told)) == 9
    with pytest.raises(UsageError, match="and 3 more"):
        refuse_differences(told)
    refuse_differences([told[0], dict(told[0])])


def test_other_versions_and_kinds_of_device_are_differences() -> None:
    told = [
        {"version of.torch": '"2.13.0"', "kind of device": "cuda"},
        {"version of.torch": '"2.12.0"', "kind of device": "cpu"},
    ]
    with pytest.raises(UsageError, match=r"kind of device is cuda in process 0 and cpu in process 1"):
        refuse_differences(told)


def test_a_process_that_ended_is_told_from_one_that_lives() -> None:
    assert not Peer.here().is_gone()
    assert not Peer("another-machine.example", 1).is_gone()
    child = os.fork()
    if child == 0:
        os._exit(0)
    gone = Peer(Peer.here().host, child)
    wait_until(gone.is_gone)  # dead, and not looked after
    os.waitpid(child, 0)
    assert gone.is_gone()


def train_in(place: Place, out: Path, count: int, **options: Any) -> list[str]:
    """Train with so many processes; what the first was told."""
    if count == 1:
        witness = Witness()
        run_tiny(place, out, listener=witness, **options)
        return witness.notices
    ranks = start_ranks(place, out, count, **options)
    assert ranks.join() == [0] * count, ranks.error(0)
    return ranks.notices()


@pytest.fixture(scope="module")
def alone(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps and four more, in one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    for steps in (4, 8):
        train_in(place, out, 1, steps=steps, resume=steps == 8, corpus=place.documents, **CALM)
    return out


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3)])
def test_a_run_goes_on_in_another_number_of_processes(
    place: Place, tmp_path: Path, alone: Path, before: int, after: int
) -> None:
    """Without dropout, all that is left is the rounding of sums."""
    out, options = tmp_path / "run", {**CALM, "corpus": place.documents}
    train_in(place, out, before, steps=4, **options)
    notices = train_in(place, out, after, steps=8, resume=True, **options)
    assert any(f"with {after} process" in notice and f"had {before}" in notice for notice in notices)
    assert [row["step"] for row in step_rows(out)] == list(range(1, 9))
    losses, expected = ([row["loss"] for row in step_rows(folder)] for folder in (out, alone))
    assert losses == pytest.approx(expected, rel=1e-3)
    assert [each["count"] for each in read_record(out)["processes"]] == [before, after]
    assert json.loads((out / "summary.json").read_text())["processes"] == after
    one, several = (load_checkpoint(folder / "checkpoints", 8) for folder in (alone, out))
    first = load_checkpoint(out / "checkpoints", 4)
    assert any(not torch.equal(tensor, several.modules[name]) for name, tensor in first.modules.items())
    assert several.modules.keys() == one.modules.keys()
    queued = [name for name in one.modules if name.endswith("vectors_MD")]
    assert queued
    for name, tensor in one.modules.items():
        # Adam moves a weight whose gradient is nothing but rounding by the rate, either way, at each step.
        within = 2e-2 if name in queued else 2e-3
        torch.testing.assert_close(several.modules[name], tensor, rtol=1e-3, atol=within, msg=name)
    for name, tensor in one.optimizer.items():
        torch.testing.assert_close(several.optimizer[name], tensor, rtol=1e-2, atol=1e-3, msg=name)


def torchrun(place: Place, out: Path, *options: str) -> subprocess.Popen[str]:
    """``contrapose train`` in two processes that torchrun starts, with an odd number of rows for them to share."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "contrapose", "train", str(place.sentences), "--model", str(place.model), "--out", str(out)),
        *("--criterion", "none", "--batch-size", "7", "--save-every", "2", "--max-length", "16", *options),
    ]
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_torchrun_ends_a_run_whose_process_was_killed_and_the_same_command_goes_on(
    place: Place, tmp_path: Path
) -> None:
    out, steps = tmp_path / "run", ("--steps", "300")
    begun = torchrun(place, out, *steps)
    wait_until(lambda: steps_logged(out) >= 4, at_work=lambda: begun.poll() is None)
    workers = Path(f"/proc/{begun.pid}/task/{begun.pid}/children").read_text().split()
    assert len(workers) == 2
    os.kill(int(workers[1]), signal.SIGKILL)
    _, said = begun.communicate(timeout=PATIENCE)
    assert begun.returncode != 0
    assert "SIGKILL" in said or "process 1 ended" in said
    assert "internal error" not in said
    assert not (out / "summary.json").exists(), "the kill came too late"
    goes_on = torchrun(place, out, *steps, "--resume", "--json")
    printed, said = goes_on.communicate(timeout=PATIENCE)
    assert goes_on.returncode == 0, said[-2000:]
    summary = json.loads(printed)
    assert (summary["steps"], summary["processes"]) == (300, 2)
    assert read_record(out)["processes"] == [{"after": 0, "count": 2}]


@pytest.mark.slow
def test_of_two_processes_with_a_wrong_option_the_first_tells_it(place: Place, tmp_path: Path) -> None:
    _, said = torchrun(place, tmp_path / "run", "--steps", "2", "--epochs", "1").communicate(timeout=PATIENCE)
    assert said.count("error:") == 1, said
