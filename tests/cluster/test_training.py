"""A training on a cluster is the training that torchrun starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.conftest import ENVIRONMENT, Cluster, answer, needs_ray
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE, wait_until

pytestmark = needs_ray

OPTIONS = (
    "--model",
    "tiny",
    "--method",
    "simcse",
    "--batch-size",
    8,
    "--device",
    "cpu",
    "--set",
    "criterion=none",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    tiny_bert(folder / "tiny")
    texts = [f"{SENTENCES[row % len(SENTENCES)]} {row}" for row in range(400)]
    (folder / "notes.txt").write_text("\n".join(texts) + "\n")
    return folder


def on_ray(out: str, steps: int, cluster: Cluster) -> tuple[object, ...]:
    where = ("--engine", "ray", "--address", cluster.address, "--workers", 2)
    return ("train", "notes.txt", *OPTIONS, "--steps", steps, "--out", out, *where)


def weights(run: Path) -> bytes:
    return (run / "model" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_two_workers_train_the_weights_that_torchrun_trains(place: Path, cluster: Cluster) -> None:
    answer(*on_ray("ray", 6, cluster), cwd=place)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "contrapose")
    words = map(str, ("train", "notes.txt", *OPTIONS, "--steps", 6, "--out", "torchrun"))
    done = subprocess.run(
        [sys.executable, *torchrun, *words],
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert weights(place / "ray") == weights(place / "torchrun")
    assert weights(place / "ray") != (place / "tiny" / "model.safetensors").read_bytes()


@pytest.mark.crash
def test_a_lost_process_is_one_message_and_resume_goes_on(
    place: Path, cluster: Cluster, started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(*on_ray("lost", 400, cluster), "--save-every", 20, cwd=place)
    wait_until(
        lambda: len(list((place / "lost" / "checkpoints").glob("*"))) >= 2,
        at_work=lambda: process.poll() is None,
    )
    os.kill(cluster.processes("ray::TrainingProcess")[-1], signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, said
    assert "--resume" in said
    answer(*on_ray("lost", 400, cluster), "--save-every", 20, "--resume", cwd=place)
    answer(*on_ray("whole", 400, cluster), "--save-every", 20, cwd=place)
    assert weights(place / "lost") == weights(place / "whole")
