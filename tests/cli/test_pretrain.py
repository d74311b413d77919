"""``contrapose pretrain``: a run from the command line, what it prints, and what it goes on with."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from contrapose.cli.pretrain import settings_from
from contrapose.errors import UsageError
from tests.cli.conftest import Command

#: A run of a second.
SMALL = ("--steps", 3, "--batch-size", 8, "--max-length", 16, "--save-every", 2)


def test_pretrain_makes_a_language_model_and_prints_only_json(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = contrapose("pretrain", corpus, "--model", tiny, "--out", run, *SMALL, "--json")
    assert done.code == 0, done.err
    assert done.err == ""
    assert done.json["model"] == str(run / "model")
    assert done.json["started_from"] == "tiny"
    assert (done.json["steps"], done.json["language_head"]) == (3, "new")
    assert set(done.json) == {
        "method", "model", "steps", "loss_before", "loss_after", "accuracy_before", "accuracy_after", "hidden_words",
        "language_head", "skipped_steps", "seed", "rows", "corpus_fingerprint", "rows_quarantined", "precision",
        "processes",
        "rows_per_second", "start_fingerprint", "fingerprint", "seconds", "preparing_seconds", "training_seconds",
        "looking_seconds", "saving_seconds", "started_from", "folder", "notices",
    }  # fmt: skip
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["masking"] == {"mask_rate": 0.15, "new_head": False}
    assert config["training"]["warmup_steps"] == 1
    assert "method" not in config
    assert json.loads((run / "model" / "config.json").read_text())["architectures"] == ["BertForMaskedLM"]

    again = contrapose("pretrain", corpus, "--model", tiny, "--out", run, *SMALL)
    assert (again.code, "--resume" in again.err) == (2, True)
    longer = contrapose("pretrain", "--out", run, "--resume", "--steps", 4, "--json")
    assert longer.code == 0, longer.err
    assert longer.json["steps"] == 4
    assert contrapose("train", "--out", run, "--resume").code == 2


def test_what_is_printed_says_before_and_after_and_what_to_do_next(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    done = contrapose("pretrain", corpus, "--model", tiny, "--out", tmp_path / "run", *SMALL)
    assert done.code == 0, done.err
    for words in (
        "held-out loss",
        "of the words are hidden at every step",
        "the masked-language head is new",
    ):
        assert words in done.err
    assert "hidden words of held-out text" in done.out
    assert f"contrapose train {corpus} --model {tmp_path / 'run' / 'model'}" in done.out.replace("\n  ", " ")
    assert "score" not in done.err


def test_a_new_encoder_is_drawn_from_the_command_line(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    new = ("--layers", 1, "--width", 16, "--heads", 2, "--vocabulary", tiny)
    done = contrapose("pretrain", corpus, *new, "--out", tmp_path / "run", *SMALL, "--json")
    assert done.code == 0, done.err
    assert done.json["started_from"] == "new-1x16"
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (1, 16)


def test_options_of_training_alone_are_unknown(contrapose: Command, tiny: Path, corpus: Path) -> None:
    for option in ("--method", "--head", "--criterion", "--blend", "--chunk-size"):
        done = contrapose("pretrain", corpus, "--model", tiny, option, "1", "--out", "unused")
        assert done.code == 2, option
        assert option in done.err


def test_steps_as_an_option_replace_the_epochs_that_a_run_was_begun_with(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        f'out = "{tmp_path}"\n[data]\ncorpus = ["a.txt"]\n[training]\nepochs = 2.0\nseed = 5\nwarmup_steps = 1\n'
    )
    options = {"out": str(tmp_path), "corpus": None, "steps": 7}
    training = settings_from(options, resume=True).training
    assert (training.steps, training.epochs, training.seed, training.warmup_steps) == (7, None, 5, 1)
    with pytest.raises(UsageError, match="no corpus"):
        settings_from(options, resume=False)
