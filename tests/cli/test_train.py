from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from contrapose.cli import run_view
from contrapose.cli.train import settings_from
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.train.api import Run
from tests.cli.conftest import Command
from tests.tiny import SENTENCES

NOTHING = {"out": None, "corpus": None}


def test_file_then_flags_then_set(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        'out = "from-file"\n[data]\ncorpus = ["a.txt"]\n'
        "[training]\nseed = 1\nbatch_size = 8\nlearning_rate = 0.01\n[method]\nhyperparameters = {k = 2}\n"
    )
    flags = {**NOTHING, "seed": 2, "batch_size": 16}
    settings = settings_from(str(file), flags, ["training.batch_size=32", "k=3"])
    assert (settings.out, settings.data.corpus) == ("from-file", ("a.txt",))
    assert (settings.training.learning_rate, settings.training.seed, settings.training.batch_size) == (
        0.01,
        2,
        32,
    )
    assert settings.method.hyperparameters == {"k": 3}


def test_steps_as_an_option_replace_epochs_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('out = "x"\n[data]\ncorpus = ["a.txt"]\n[training]\nepochs = 2.0\nseed = 5\n')
    settings = settings_from(str(file), {**NOTHING, "steps": 7}, [])
    assert (settings.training.steps, settings.training.epochs, settings.training.seed) == (7, None, 5)


def test_a_wrong_value_names_the_file_among_its_sources(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('out = "x"\n[data]\ncorpus = ["a.txt"]\n[training]\nseed = -5\n')
    with pytest.raises(UsageError, match=r"run\.toml and options: training\.seed"):
        settings_from(str(file), NOTHING, [])


def test_train_makes_a_model_and_prints_only_json(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ["--steps", 2, "--batch-size", 8, "--held-out-rows", 0, "--criterion", "none", "--json"]
    done = contrapose("train", corpus, "--model", tiny, "--out", run, "--method", "focal-infonce",
                      "--with", "mixed-negatives,mixed-positive", "--set", "k=3", *options)  # fmt: skip
    assert done.code == 0, done.err
    assert done.err == ""
    assert done.json["model"] == str(run / "model")
    assert done.json["started_from"] == str(tiny)
    assert done.json["steps"] == 2
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["method"]["parts"] == ["mixed-negatives", "mixed-positive"]
    assert config["method"]["hyperparameters"]["k"] == 3
    again = contrapose("train", corpus, "--model", tiny, "--out", run, *options)
    assert (again.code, "--resume" in again.err) == (2, True)


def test_train_tells_the_account_and_exits_3_where_rows_were_left_out(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.txt"
    damaged.write_bytes(corpus.read_bytes() * 2 + b"bad \xff byte\n")
    run = tmp_path / "run"
    done = contrapose("train", damaged, "--model", tiny, "--out", run, "--steps", 2, "--batch-size", 8,
                      "--method", "simcse")  # fmt: skip
    assert done.code == 3, done.err
    for words in (
        "rows read",
        "duplicates",
        "damaged.txt line 257",
        "mean cosine of",
        "scale of 20",
        "step 2/2",
    ):
        assert words in done.err
    assert "the model is that of step 2" in done.out
    assert f"contrapose search {run}/model {damaged}" in done.out
    assert "1 row could not be read" in done.out
    finished = contrapose("train", "--out", run, "--resume", "--quiet")
    assert finished.code == 3, finished.err
    assert all(line.startswith("note: ") for line in finished.err.splitlines())


def test_a_run_folder_is_a_model_for_the_other_verbs(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(tiny, run / "model")
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1}) + "\n")
    done = contrapose("search", run, corpus, "a cat sits on the mat number 3", "--top", 1, "--json")
    assert done.code == 0, done.err
    assert done.json["queries"][0]["hits"][0]["text"].startswith("a cat sits on the mat")


@pytest.mark.parametrize(
    ("chosen", "change", "word", "advice"),
    [
        (53.0, "+2.50", "helps", ""),
        (50.0, "-0.50", "harms", "try a lower rate"),
        (50.5, "+0.00", "no clear change", ""),
    ],
)
def test_the_result_shows_before_and_after_and_the_verdict(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, chosen: float, change: str, word: str, advice: str
) -> None:
    summary = {
        "method": "simcse", "steps": 1000, "chosen_step": 500, "criterion_about": "held-out rows", "score_before": 50.5,
        "score_chosen": 49.0, "rows_per_second": 61.5, "stopped_early": True, "rows_quarantined": 0, "blend": 0.5,
        "processes": 2,
        "blend_scores": {"0.5": chosen},
        "verdict": {"word": word, "happened": f"{word.capitalize()}.", "advice": advice, "number": "By so much.",
                    "sure": "Nobody knows how sure."},
    }  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    run_view.show(Run(tmp_path), settings_from(None, {"out": str(tmp_path), "corpus": ("my text.txt",)}, []))
    told = capsys.readouterr().out
    for words in (
        "50.50",
        f"{chosen:.2f}",
        change,
        "1,000 steps, stopped early",
        "61.5 rows per second, 2 processes",
        "step 500",
        "'my text.txt'",
    ):
        assert words in told
    order = [f"{word.capitalize()}.", advice, "50.50", "By so much.", "Nobody knows how sure."]
    places = [told.index(words) for words in order if words]
    assert places == sorted(places)
    assert places[0] == 0
    assert "0.5 of the trained weights" in told
    assert (
        told.index("evaluate minilm --pairs")
        < told.index(f"evaluate {tmp_path} --pairs")
        < told.index("report")
    )


def test_a_run_that_hands_out_its_start_says_so_first_and_everywhere(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terminal, card, summary, ledger, and the commands that come next: one fact, and nothing that contradicts it."""
    monkeypatch.setenv("CONTRAPOSE_LEDGER", str(tmp_path / "ledger"))
    folder, out = tmp_path / "run", []
    for blend in ("0", "0", "1"):
        out.append(contrapose("train", corpus, "--model", tiny, "--out", folder, "--steps", 2, "--batch-size", 8,
                              "--method", "simcse", "--blend", blend))  # fmt: skip
        folder = tmp_path / f"run{len(out)}"
    assert [done.code for done in out] == [0, 0, 0], out[0].err
    first = out[0].out.splitlines()
    assert first[0] == "Your model is unchanged: --blend 0 asks for the pretrained model."
    assert not [line for line in first if "of step" in line]
    assert f"contrapose search {tiny} {corpus} 'what you look for'" in out[0].out
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "# A sentence encoder, unchanged" in card
    assert "Your model is unchanged" in card
    assert "trained by contrast" not in card
    assert "## How it was trained" not in card
    assert "trained by contrast" in (tmp_path / "run2" / "model" / "README.md").read_text()
    summary = Run(tmp_path / "run").summary
    assert summary["fingerprint"] == summary["start_fingerprint"] == Encoder.load(str(tiny)).fingerprint()
    listed = contrapose("runs", "--json").json
    kept = [e["summary"]["fingerprint"] == e["summary"]["start_fingerprint"] for e in listed]
    assert kept == [True, True, False]
    shown = " ".join(contrapose("runs").out.split())
    assert shown.count("the pretrained model, unchanged") == 2


def test_two_evaluations_of_a_start_and_of_the_run_that_kept_it_are_said_to_be_of_one_encoder(
    contrapose: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRAPOSE_LEDGER", str(tmp_path / "ledger"))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "score,a,b\n" + "".join(f"{n % 5},{SENTENCES[n]},{SENTENCES[n + 1]}\n" for n in range(12))
    )
    for _ in range(2):
        assert contrapose("evaluate", tiny, "--pairs", pairs, "--quiet").code == 0
    before, after = (entry["id"] for entry in contrapose("runs", "--json").json)
    told = contrapose("runs", "compare", before, after)
    assert told.code == 0, told.err
    assert "Both are evaluations of one encoder" in told.out


@pytest.mark.parametrize(
    ("dev_data", "labels"), [(None, "--pairs YOUR_PAIRS.csv"), ("my data", "--data 'my data'")]
)
def test_what_to_do_next_begins_with_labels_and_skips_a_model_that_is_the_start(
    tmp_path: Path, dev_data: str | None, labels: str
) -> None:
    settings = settings_from(None, {"out": str(tmp_path), "corpus": ("notes.txt",), "dev_data": dev_data}, [])
    (tmp_path / "summary.json").write_text(json.dumps({"blend": 0.5}))
    told = run_view.next_steps(Run(tmp_path), settings)
    assert [line.split()[1] for line in told] == ["evaluate", "evaluate", "report", "search"]
    assert all(labels in line for line in told[:2])
    (tmp_path / "summary.json").write_text(json.dumps({"blend": 0.0}))
    assert [line.split()[1] for line in run_view.next_steps(Run(tmp_path), settings)] == ["report", "search"]
