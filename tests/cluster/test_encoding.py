"""The blocks of a bulk encoding on a cluster: the same bytes, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contrapose.use.block_folder import OWN
from contrapose.use.vectors_folder import VectorsFolder
from tests.cluster.conftest import Cluster, answer, needs_ray
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE, wait_until

pytestmark = needs_ray

ROWS, BLOCK = 12_000, 100
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, text, and its vectors as one process makes them."""
    folder = tmp_path_factory.mktemp("bulk")
    tiny_bert(folder / "tiny")
    texts = [f"{SENTENCES[row % len(SENTENCES)]} {row}" for row in range(ROWS)]
    (folder / "notes.txt").write_text("\n".join(texts) + "\n")
    answer("encode", "tiny", "notes.txt", "-o", "alone/", "--block-rows", BLOCK, cwd=folder)
    return folder


def blocks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def on_ray(out: str, cluster: Cluster) -> tuple[object, ...]:
    where = ("--engine", "ray", "--address", cluster.address, "--workers", 2, "--memory-per-worker", "200MB")
    return ("encode", "tiny", "notes.txt", "-o", out, "--block-rows", BLOCK, *where)


def written(folder: Path) -> int:
    return len(list(folder.glob("*.parquet")))


@pytest.mark.slow
def test_two_workers_write_the_bytes_that_one_process_writes(place: Path, cluster: Cluster) -> None:
    said = answer(*on_ray("two/", cluster), cwd=place)
    assert f"{ROWS // BLOCK} blocks encoded now, 0 were there already" in said
    assert blocks(place / "two") == blocks(place / "alone")
    again = answer(*on_ray("two/", cluster), cwd=place)
    assert f"0 blocks encoded now, {ROWS // BLOCK} were there already" in again


@pytest.mark.crash
def test_a_killed_worker_loses_nothing(place: Path, cluster: Cluster, started: Start) -> None:
    out = place / "worker"
    process = started(*on_ray("worker/", cluster), cwd=place)
    killed: list[int] = []

    def killed_at_work(wanted: int) -> bool:
        """Kill a worker that has a block, once so many are written; whether one was found in that moment."""
        at_work = set(cluster.processes("ray::BlockWorker.encode")) - set(killed)
        if written(out) < wanted or not at_work:
            return False
        os.kill(min(at_work), signal.SIGKILL)
        killed.append(min(at_work))
        return True

    for wanted in (3, 20, 40):
        wait_until(
            lambda wanted=wanted: killed_at_work(wanted),
            at_work=lambda: process.poll() is None,
        )
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert len(killed) == 3
    assert "a worker was lost; lines " in said
    assert blocks(out) == blocks(place / "alone")
    assert VectorsFolder.open(out).rows == ROWS


@pytest.mark.crash
def test_a_killed_driver_goes_on_where_it_was(place: Path, cluster: Cluster, started: Start) -> None:
    out = place / "driver"
    for wanted in (4, 30):
        process = started(*on_ray("driver/", cluster), cwd=place)
        wait_until(
            lambda wanted=wanted: written(out) >= wanted,
            at_work=lambda process=process: process.poll() is None,
        )
        process.kill()
        assert process.wait(PATIENCE) == -signal.SIGKILL
    before, kept = written(out), {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert before < ROWS // BLOCK
    assert not (out / OWN / "manifest.json").exists()
    said = answer(*on_ray("driver/", cluster), cwd=place)
    untouched = sum((out / name).stat().st_mtime_ns == at for name, at in kept.items())
    # What was written and not yet recorded is written again: at most a block of each worker for each kill.
    assert untouched >= before - 4
    assert f"{ROWS // BLOCK - untouched} blocks encoded now, {untouched} were there already" in said
    assert blocks(out) == blocks(place / "alone")


@pytest.mark.slow
def test_what_a_worker_refuses_is_told_as_it_is(place: Path, cluster: Cluster) -> None:
    said = answer(*on_ray("none/", cluster)[:-2], "--memory-per-worker", "9999GB", cwd=place, code=2)
    assert "2 workers of 9999.0 GiB do not fit on the cluster" in said
    assert not (place / "none").exists()
