"""kill -9 of a real process at any time, again and again: the run that is left is the run that was never killed."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.processes import start, steps_logged, wait_for_step
from tests.train.runs import Place, outcome, plain_bert, run_tiny, write_place
from tests.waiting import PATIENCE

from contrapose.train.checkpoint import steps_saved

OPTIONS: dict[str, Any] = {
    "method": "hncse-hnm",
    "parts": ("queue",),
    "pool": "batch+queue",
    "pool_queue_size": 20,
    "views": "crop",
    "save_every": 3,
    "steps": 36,
    "chunk_size": 6,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("kills")
    return write_place(folder, plain_bert(folder / "bert"))


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an uninterrupted run leaves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes that are killed
    run = run_tiny(place, tmp_path_factory.mktemp("whole") / "run", corpus=place.documents, **OPTIONS)
    torch.set_num_threads(threads)
    return outcome(run.folder)


def kill_at_random(place: Place, out: Path, rng: random.Random, *, within: int) -> int:
    """Kill a run some steps after where it stood, at a random moment; the step it had reached."""
    before = steps_logged(out)
    saved = steps_saved(out / "checkpoints")
    process = start(place, out, resume=out.exists(), corpus=place.documents, **OPTIONS)
    # Resuming cuts the log back to the checkpoint, so new steps show up behind that one.
    goal = max(saved, default=0) + rng.randint(1, within)
    if goal <= before:
        time.sleep(0.1)
    wait_for_step(process, out, goal)
    time.sleep(rng.uniform(0, 0.05))
    process.kill()
    process.join(PATIENCE)
    assert process.exitcode == -9, "the run was over before the kill"
    reached = steps_logged(out)
    assert 0 < reached < OPTIONS["steps"], "the kill did not land in the middle"
    assert not (out / "model").exists()
    return reached


def finish(place: Place, out: Path) -> dict[str, Any]:
    process = start(place, out, resume=True, corpus=place.documents, **OPTIONS)
    process.join(PATIENCE)
    assert process.exitcode == 0
    return outcome(out)


def test_two_kills_in_one_run_leave_the_bytes_of_a_run_never_killed(
    place: Place, tmp_path: Path, whole: dict[str, Any]
) -> None:
    rng = random.Random()
    reached = [kill_at_random(place, tmp_path / "run", rng, within=8) for _ in range(2)]
    assert finish(place, tmp_path / "run") == whole, reached


@pytest.mark.crash
@pytest.mark.parametrize("chain", range(5))
def test_twenty_kills_in_chains_of_four(
    place: Place, tmp_path: Path, whole: dict[str, Any], chain: int
) -> None:
    rng = random.Random()
    reached = [kill_at_random(place, tmp_path / "run", rng, within=6) for _ in range(4)]
    assert finish(place, tmp_path / "run") == whole, reached
