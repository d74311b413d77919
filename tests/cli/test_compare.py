"""contrapose compare with tiny models: real training, real processes, a real kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.experiment.small import write_senteval
from tests.waiting import PATIENCE, wait_until

FAST = ("--seeds", 2, "--steps", 2, "--batch-size", 8, "--split", "dev",
        "--set", "held_out_rows=0", "--set", "criterion=none")  # fmt: skip
METHODS = ("--methods", "simcse,focal-infonce")


@pytest.fixture(scope="session")
def senteval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_senteval(tmp_path_factory.mktemp("senteval"))


@pytest.fixture
def arguments(tiny: Path, corpus: Path, senteval: Path) -> list[object]:
    return ["compare", corpus, "--model", tiny, "--data", senteval, *METHODS, *FAST]


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_compare_shows_methods_with_spread_and_writes_everything_down(
    contrapose: Command, arguments: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = contrapose(*arguments, "--out", out)
    assert done.code == 0, done.err
    factors = [row["factors"] for row in rows(out)]
    assert factors[0] == {"method": "start"}
    assert factors[1:] == [{"method": m, "seed": s} for s in (0, 1) for m in ("simcse", "focal-infonce")]
    for word in ("the baseline", "95% interval", "STS-B", "SICK-R", "p, Holm", " ± "):
        assert word in done.out
    assert "5 of 5" in done.err
    assert "contrapose sweep" in done.err
    names = {path.name for path in out.iterdir()}
    assert names >= {"results.md", "results.json", "trials.jsonl"}
    again = contrapose(*arguments, "--out", out, "--json")
    assert (again.code, again.err) == (0, "")
    assert again.json["methods"][1]["numbers"]["mean"]["mean"] == pytest.approx(
        sum(sum(v["value"] for v in row["values"].values()) / 2 for row in rows(out)[1::2]) / 2
    )
    assert len(rows(out)) == 5
    more = contrapose(*arguments, "--seeds", 3, "--baseline", "start", "--out", out, "--json")
    assert len(rows(out)) == 7
    assert more.json["baseline"] == "start"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--methods", "simcze"], "Did you mean 'simcse'?"),
        (["--methods", "simcse,simcse"], "named twice"),
        (["--methods", "start"], "'start' is no method"),
        (["--seeds", "0"], "--seeds"),
        (["--baseline", "hncse"], "is not compared here"),
        (["--set", "margim=0.2"], "unknown key 'margim'"),
        (["--set", "margin=9"], "margin"),
        (["--set", "seed=4"], "the experiment sets it itself"),
        (["--split", "train"], "--split"),
        (["--tasks", "STS99"], "unknown task"),
        (["--tasks", "sts", "--split", "test"], "nothing was trained"),
        (["--data", "nowhere"], "no such folder"),
        (["--model", "nowhere"], "no such model"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    contrapose: Command, arguments: list[object], tmp_path: Path, changed: list[str], words: str
) -> None:
    done = contrapose(*arguments, *changed, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_without_data_and_from_standard_input_it_says_what_to_give(
    contrapose: Command, tiny: Path, corpus: Path, senteval: Path, tmp_path: Path
) -> None:
    done = contrapose("compare", corpus, "--model", tiny, "--out", tmp_path / "out")
    assert (done.code, "--data" in done.err) == (2, True)
    done = contrapose(
        "compare", "-", "--model", tiny, "--data", senteval, "--split", "dev", "--out", tmp_path / "o"
    )
    assert (done.code, "give files" in done.err) == (2, True)


def test_a_number_that_some_methods_lack_is_told(
    contrapose: Command, arguments: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = contrapose(*arguments, "--seeds", 1, "--set", "margin=0.2", "--out", out)
    assert "margin is a hyperparameter of focal-infonce only" in done.err
    options = {row["options"]["method"]: row["options"] for row in rows(out)}
    assert "margin" not in options["simcse"]
    assert options["focal-infonce"]["margin"] == 0.2
    other = contrapose(*arguments, "--seeds", 1, "--set", "margin=0.3", "--out", out)
    assert other.code == 2
    assert "there" in other.err


def command(arguments: list[object], out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "contrapose", *map(str, arguments), "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.crash
def test_two_processes_share_a_comparison_a_third_is_killed_and_nothing_is_done_twice(
    arguments: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    longer = [*arguments, "--steps", 12, "--set", "save_every=1"]
    killed = command(longer, out)
    wait_until(lambda: list(out.glob("work/*/run/checkpoints/step-*")), at_work=lambda: killed.poll() is None)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    left = next(out.glob("work/*/run/checkpoints/step-*")).parents[2].name
    workers = [command(longer, out) for _ in range(2)]
    told = [worker.communicate(timeout=PATIENCE) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], told
    keys = [row["key"] for row in rows(out)]
    assert len(keys) == len(set(keys)) == 5
    assert left in keys
    assert [path.name for path in (out / "work").iterdir()] == []
    tables = [out_text.split("written:")[0] for out_text, _ in told]
    assert tables[0] == tables[1]


def test_ctrl_c_says_how_to_go_on(arguments: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = command([*arguments, "--steps", 500], out)
    wait_until(lambda: list(out.glob("work/*/run/metrics.jsonl")), at_work=lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "1 of 5 trials are finished" in err
    assert "The same command goes on" in err
