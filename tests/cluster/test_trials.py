"""Trials on a cluster: the numbers of one machine; a lost process is tried again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrapose.experiment.trials import Measuring, Trial, TrialListener, TrialResult, Trials
from tests.cluster.conftest import Cluster, answer, needs_ray
from tests.experiment.small import write_senteval
from tests.tiny import SENTENCES, tiny_bert
from tests.waiting import PATIENCE, wait_until

pytestmark = needs_ray

SHARED = ("--model", "tiny", "--batch-size", 8, "--data", "data", "--split", "dev",
          "--set", "held_out_rows=0", "--set", "criterion=none")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trials")
    tiny_bert(folder / "tiny")
    texts = [f"{SENTENCES[row % len(SENTENCES)]} {row}" for row in range(400)]
    (folder / "notes.txt").write_text("\n".join(texts) + "\n")
    write_senteval(folder / "data")
    return folder


def compare(out: str, steps: int, *more: object) -> tuple[object, ...]:
    methods = ("--methods", "simcse,focal-infonce", "--seeds", 2)
    return ("compare", "notes.txt", *SHARED, *methods, "--steps", steps, "--out", out, *more)


def numbers(folder: Path) -> dict[str, Any]:
    """What was measured, by trial; not when and how fast."""
    rows = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    assert len({row["key"] for row in rows}) == len(rows)
    return {row["key"]: (row["factors"], row["values"], row["facts"]) for row in rows}


@pytest.mark.slow
def test_a_comparison_on_a_cluster_has_the_numbers_of_one_process(place: Path, cluster: Cluster) -> None:
    said = answer(*compare("ray", 2, "--address", cluster.address, "--workers", 2), cwd=place)
    assert "5 of 5" in said
    answer(*compare("alone", 2), cwd=place)
    assert numbers(place / "ray") == numbers(place / "alone")
    assert list((place / "ray" / "work").iterdir()) == []


@pytest.mark.slow
def test_a_sweep_on_a_cluster_measures_every_point_once(place: Path, cluster: Cluster) -> None:
    words = ("sweep", "notes.txt", *SHARED, "--method", "focal-infonce", "--over", "margin=0|0.2", "--search", "grid",
             "--steps", 2)  # fmt: skip
    answer(*words, "--out", "grid-ray", "--address", cluster.address, cwd=place)
    answer(*words, "--out", "grid-alone", cwd=place)
    assert numbers(place / "grid-ray") == numbers(place / "grid-alone")


@pytest.mark.crash
def test_a_trial_whose_process_is_killed_is_tried_again(
    place: Path, cluster: Cluster, started: Callable[..., subprocess.Popen[str]]
) -> None:
    process = started(*compare("killed", 150, "--address", cluster.address, "--workers", 2), cwd=place)
    wait_until(
        lambda: any((place / "killed" / "work").glob("*/run/metrics.jsonl")),
        at_work=lambda: process.poll() is None,
    )
    (at_work, *_) = sorted((place / "killed" / "work").glob("*/run/metrics.jsonl"))
    holder = json.loads((at_work.parents[1] / "run.lock").read_text())["pid"]
    os.kill(holder, signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    answer(*compare("unharmed", 150), cwd=place)
    assert numbers(place / "killed") == numbers(place / "unharmed")


@pytest.mark.slow
def test_an_error_of_a_trial_is_told_as_it_is(place: Path, cluster: Cluster) -> None:
    empty = place / "short.txt"
    empty.write_text("one line\n")
    words = ("compare", "short.txt", *SHARED, "--methods", "simcse", "--steps", 2, "--out", "short")
    alone = answer(*words, cwd=place, code=2)
    there = answer(*words, "--address", cluster.address, cwd=place, code=2)
    assert there.strip().splitlines()[-1] == alone.strip().splitlines()[-1]


def test_the_measure_of_an_experiment_is_data(tmp_path: Path) -> None:
    class Fixed:
        def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult:
            assert isinstance(listener, TrialListener)
            return TrialResult(facts={"seed": trial.options["seed"]})

    measure = Measuring(Fixed(), TrialListener())
    (row,) = Trials(tmp_path, experiment="x").run([Trial(factors={}, options={"seed": 3})], measure)
    assert row.body["facts"] == {"seed": 3}
    assert Trials(tmp_path, experiment="x").room()
