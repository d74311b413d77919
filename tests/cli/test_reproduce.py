"""contrapose reproduce: the recipe end to end with a stand-in, and one message where something is missing."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from contrapose.experiment.published_recipe import CORPUS, TASKS
from contrapose.train.api import Run
from tests.cli.conftest import Command
from tests.evaluate.fakes import write_year
from tests.experiment.small import write_corpus, write_senteval
from tests.tiny import SENTENCES, tiny_bert


@pytest.fixture
def senteval(tmp_path: Path) -> Path:
    """All seven tasks."""
    root = write_senteval(tmp_path / "senteval")
    for task in TASKS[:5]:
        write_year(root, task)
    return root


def test_the_list_names_every_row_with_what_it_reports(contrapose: Command) -> None:
    done = contrapose("reproduce")
    assert done.code == 0
    assert "focal-infonce/bert-base" in done.out
    assert "77.32" in done.out
    listed = contrapose("reproduce", "--json").json
    assert listed[0]["reported"]["STS12"] == 68.40


def test_the_recipe_runs_end_to_end_with_a_copy_of_the_backbone(
    contrapose: Command, senteval: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's and the file's names are those of the real ones, so only the number of rows tells them apart."""
    model = tiny_bert(tmp_path / "bert-base-uncased", masked_lm=True)
    corpus = write_corpus(tmp_path / CORPUS, copies=8)
    seen = []
    keep = Run.summary.func  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Run,
        "summary",
        property(lambda run: seen.append((run.folder / "config.toml").read_text()) or keep(run)),
    )
    out = tmp_path / "out"
    done = contrapose("reproduce", "focal-infonce/bert-base", "--model", model, "--corpus", corpus,
                      "--data", senteval, "--seeds", 1, "--chunk-size", 16, "--out", out, "--json")  # fmt: skip
    assert done.code == 0, done.err
    config = tomllib.loads(seen[0])
    assert config["training"]["batch_size"] == 64
    assert (config["training"]["learning_rate"], config["training"]["max_length"]) == (3e-5, 32)
    assert (config["encoder"]["pooling"], config["encoder"]["head"]) == ("cls", "linear-tanh")
    assert config["selection"]["dev_data"] == str(senteval)
    assert config["selection"]["eval_every"] == 125
    assert config["method"]["hyperparameters"]["margin"] == 0.3
    assert config["data"]["held_out_rows"] == 0
    assert done.json["departures"] == [f"{corpus} has 128 rows and not 1,000,000"]
    by_task = {row["task"]: row for row in done.json["rows"]}
    (trial,) = [json.loads(line) for line in (out / "trials.jsonl").read_text().splitlines()]
    assert list(by_task) == [*TASKS, "mean"]
    assert by_task["mean"]["reported"] == 77.32
    for task in TASKS:
        assert by_task[task]["mean"] == trial["values"][task]["value"]
        assert by_task[task]["difference"] == pytest.approx(by_task[task]["mean"] - by_task[task]["reported"])
    assert "This is not the paper's recipe" in (out / "results.md").read_text()


def test_a_shortened_recipe_says_clearly_that_it_is_none(
    contrapose: Command, tiny: Path, corpus: Path, senteval: Path, tmp_path: Path
) -> None:
    (senteval / "CR").mkdir()
    for kind in ("pos", "neg"):
        lines = [f"{text} {kind} {place}" for place in range(2) for text in SENTENCES]
        (senteval / "CR" / f"custrev.{kind}").write_text("\n".join(lines))
    done = contrapose("reproduce", "hncse-hnm/bert-base", "--model", tiny, "--corpus", corpus, "--data", senteval,
                      "--steps", 2, "--batch-size", 8, "--seeds", 1, "--tasks", "STS-B,CR,MR",
                      "--out", tmp_path / "out")  # fmt: skip
    assert done.code == 0, done.err
    assert "This is not the paper's recipe" in done.out
    for words in (
        "2 steps in place of one epoch",
        "batch_size 8 in place of 64",
        f"model {tiny} in place of",
    ):
        assert words in done.out
    assert "not reported" in done.out
    assert "no --data folder holds them: MR" in " ".join(done.out.split())
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    by_task = {row["task"]: row for row in written["rows"]}
    assert list(by_task) == ["STS-B", "CR"]
    assert 0 < by_task["CR"]["mean"] <= 100


def test_what_is_missing_is_said_at_once_with_where_to_get_it(contrapose: Command, tmp_path: Path) -> None:
    done = contrapose("reproduce", "simcse/roberta-base", "--out", tmp_path / "out")
    assert done.code == 1
    for words in (
        "wiki1m_for_simcse.txt",
        "https://",
        "--corpus FILE",
        "--data DIR",
        "hf download FacebookAI/roberta-base",
    ):
        assert words in done.err
    assert not (tmp_path / "out").exists()
    assert contrapose("reproduce", "simcse/bert-bse").code == 2
