"""contrapose sweep with tiny models: label-free and on a development set, shared and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.experiment.small import write_senteval
from tests.waiting import PATIENCE

FAST = ("--steps", 2, "--batch-size", 8)
LABELLED = ("--set", "held_out_rows=0", "--set", "criterion=none")


@pytest.fixture(scope="session")
def senteval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_senteval(tmp_path_factory.mktemp("senteval"))


@pytest.fixture
def arguments(tiny: Path, corpus: Path) -> list[object]:
    return ["sweep", corpus, "--method", "hncse", "--model", tiny, *FAST]


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_sweep_says_where_it_is_good_and_goes_on_with_more_seeds(
    contrapose: Command, arguments: list[object], senteval: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mine = [*arguments, *LABELLED, "--data", senteval, "--out", out, "--search", "grid", "--points", 2]
    done = contrapose(*mine, "--over", "k=2..6,gap_threshold=0..0.2")
    assert done.code == 0, done.err
    assert len(rows(out)) == 5
    assert {(row["factors"]["k"], row["factors"]["gap_threshold"]) for row in rows(out)} == {
        (10, 0.1), (2, 0.0), (2, 0.2), (6, 0.0), (6, 0.2),
    }  # fmt: skip
    for words in ("k from 2 to 6, whole numbers", "the defaults", "give --seeds 3", "best region"):
        assert words in done.out + done.err
    names = {path.name for path in out.iterdir()}
    assert names >= {"results.md", "results.json", "trials.jsonl"}
    more = contrapose(*mine, "--over", "k=2..6,gap_threshold=0..0.2", "--seeds", 2, "--json")
    assert (more.code, more.err) == (0, "")
    assert len(rows(out)) == 10
    assert more.json["noise"] is not None
    means = {tuple(s["values"].values()): s["mean"] for s in more.json["settings"]}
    for point, mean in means.items():
        scores = [
            sum(v["value"] for v in row["values"].values()) / 2
            for row in rows(out)
            if (row["factors"]["k"], row["factors"]["gap_threshold"]) == point
        ]
        assert mean == pytest.approx(sum(scores) / 2)
    other = contrapose(*mine, "--over", "k=2..7,gap_threshold=0..0.2")
    assert (other.code, "k=2..7" in other.err) == (2, True)
    compare = contrapose("compare", arguments[1], "--model", arguments[5], "--data", senteval, "--split", "dev",
                         "--methods", "simcse", "--out", out)  # fmt: skip
    assert (compare.code, "made by contrapose sweep" in compare.err) == (2, True)


def test_without_data_the_label_free_score_is_swept_by(
    contrapose: Command, arguments: list[object], tmp_path: Path
) -> None:
    text = tmp_path / "long.txt"
    words = (
        "the cat saw a bird over the old house in rain",
        "two men play chess near the quiet river bank today",
    )
    text.write_text("".join(f"{w} {i}\n" for i in range(250) for w in words))
    out = tmp_path / "out"
    mine = ["sweep", text, *arguments[2:], "--over", "learning_rate=1e-5..1e-3",
            "--search", "random", "--trials", 2, "--out", out]  # fmt: skip
    done = contrapose(*mine, "--json")
    assert done.code == 0, done.err
    assert "label-free" in done.json["objective"]
    for row in rows(out):
        gain = row["facts"]["score_chosen"] - row["facts"]["score_before"]
        assert row["values"]["label-free gain"]["value"] == gain
    assert done.json["factors"] == ["learning_rate from 1e-05 to 0.001, on a logarithmic scale"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--over", "k=6..2"], "is empty"),
        (["--over", "near_mode=0..1"], "give a list"),
        (["--over", "margin=0..1"], "'hncse' has no 'margin'"),
        (["--method", "hncze"], "Did you mean 'hncse"),
        (["--split", "test"], "never reads a test split"),
        (["--search", "grd"], "Did you mean 'grid'?"),
        (["--seeds", "0"], "--seeds"),
        (["--trials", "0"], "--trials"),
        (["--data", "nowhere"], "no such folder"),
        (["--set", "k=3"], "is fixed by another option"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    contrapose: Command, arguments: list[object], tmp_path: Path, changed: list[str], words: str
) -> None:
    done = contrapose(
        *arguments, "--over", "k=2..6", "--search", "random", *changed, "--out", tmp_path / "out"
    )
    assert done.code in (1, 2)
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_only_tpe_and_a_database_need_optuna(
    contrapose: Command, arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    given = [*arguments, "--over", "k=2..6", "--out", tmp_path / "out"]
    for asked in ([], ["--search", "grid", "--storage", "sqlite:///x.db"]):
        done = contrapose(*given, *asked)
        assert (done.code, "needs the package 'optuna'" in done.err) == (2, True)
    done = contrapose(
        *given, "--search", "grid", "--data", tmp_path
    )  # refused for its data, and not for Optuna
    assert "optuna" not in done.err.lower()


@pytest.mark.crash
@pytest.mark.parametrize("search", ["tpe", "random"])
def test_two_processes_share_a_sweep(
    arguments: list[object], senteval: Path, tmp_path: Path, search: str
) -> None:
    if search == "tpe":
        pytest.importorskip("optuna")
    out = tmp_path / "out"
    given = [*arguments, *LABELLED, "--data", senteval, "--over", "k=2..9", "--trials", 6, "--out", out]
    given += ["--search", search]
    command = [sys.executable, "-m", "contrapose", *map(str, given)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    told = [worker.communicate(timeout=PATIENCE) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], told
    keys = [row["key"] for row in rows(out)]
    assert len(keys) == len(set(keys)) <= 7
    assert all("waiting" in err or " of 7," in err for _, err in told)
    assert told[0][0].split("written")[0] == told[1][0].split("written")[0]
