"""Masked language modelling as a run: what it learns and leaves, that it goes on bit for bit, what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.cli.main import main
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.token_networks import MaskedLanguageModel
from contrapose.errors import ResumeRefused, UsageError
from contrapose.train.api import Run
from contrapose.train.run_folder import open_run, read_record
from tests.pretrain.runs import pretrain_tiny
from tests.tiny import SENTENCES
from tests.train.runs import Killed, Place, Witness, outcome, run_tiny, step_rows


@pytest.fixture(scope="module")
def run(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Long enough to learn something."""
    out = tmp_path_factory.mktemp("pretrained") / "run"
    return pretrain_tiny(place, out, steps=40, warmup_steps=5, eval_every=20)


def test_hidden_words_are_filled_in_better_afterwards(run: Run) -> None:
    summary = run.summary
    assert summary["loss_after"] < summary["loss_before"] - 0.2
    assert summary["hidden_words"] > 10
    looks = [row for row in run.metrics if "evaluation" in row]
    assert [row["step"] for row in looks] == [0, 20, 40]
    assert looks[-1]["evaluation"]["masked_loss"] == summary["loss_after"]
    assert summary["language_head"] == "new"


def test_the_model_is_a_whole_language_model_for_transformers(run: Run) -> None:
    from transformers import AutoModelForMaskedLM

    network, report = AutoModelForMaskedLM.from_pretrained(run.model_folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    own = MaskedLanguageModel.load(run.model_folder)
    ids, mask = run.encoder.padded(run.encoder.token_ids(SENTENCES))
    torch.testing.assert_close(
        network.eval()(input_ids=ids, attention_mask=mask).logits, own(ids, mask.bool()), rtol=0, atol=0
    )
    assert network.get_output_embeddings().weight is network.get_input_embeddings().weight


def test_the_model_is_a_sentence_encoder_with_the_pooling_it_had(run: Run, place: Place) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(run.model_folder), device="cpu").encode(list(SENTENCES))
    ours = run.encoder.encode(SENTENCES)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)
    assert run.encoder.pooling == Encoder.load(place.model).pooling
    assert (Encoder.load(place.model).kind, run.encoder.kind) == ("masked-lm", "masked-lm")
    assert run.encoder.head is not None, (
        "a language model's train-only head, as SimCSE's, is kept for training"
    )


def test_a_sentence_encoder_stays_one(place: Place, tmp_path: Path) -> None:
    trained = run_tiny(place, tmp_path / "trained", steps=2, pooling="avg")
    again = pretrain_tiny(place, tmp_path / "out", model=trained.model_folder, steps=2)
    assert (again.encoder.kind, again.encoder.pooling, again.encoder.head) == ("sentence", "avg", None)


def test_training_by_contrast_and_the_next_pretraining_start_from_it(
    run: Run, place: Place, tmp_path: Path
) -> None:
    trained = run_tiny(place, tmp_path / "trained", model=run.model_folder, method="simcse-mlm", steps=2)
    assert trained.summary["start_fingerprint"] == run.summary["fingerprint"]
    again = pretrain_tiny(place, tmp_path / "again", model=run.model_folder, steps=2)
    assert again.summary["language_head"] == "the model's own"
    assert again.summary["loss_before"] == pytest.approx(run.summary["loss_after"], rel=1e-5)
    anew = pretrain_tiny(place, tmp_path / "anew", model=run.model_folder, steps=2, new_head=True)
    assert anew.summary["language_head"] == "new"
    assert anew.summary["loss_before"] > run.summary["loss_after"]


@pytest.fixture(scope="module")
def whole(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    pretrain_tiny(place, out, eval_every=3)
    return out


@pytest.mark.parametrize("kill_at", [1, 3, 4, 7])
def test_a_run_that_is_killed_and_goes_on_leaves_the_same_bytes(
    place: Place, whole: Path, tmp_path: Path, kill_at: int
) -> None:
    killed = tmp_path / "killed"
    with pytest.raises(Killed):
        pretrain_tiny(place, killed, listener=Witness(kill_at), eval_every=3)
    pretrain_tiny(place, killed, resume=True, eval_every=3)
    assert outcome(killed) == outcome(whole)


def test_a_finished_run_goes_on_to_more_steps(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "run"
    pretrain_tiny(place, out)
    longer = pretrain_tiny(place, out, resume=True, steps=10)
    assert longer.summary["steps"] == 10
    assert read_record(out)["settings"]["training"]["warmup_steps"] == 4, "as it was begun"
    with pytest.raises(ResumeRefused, match=r"warmup_steps was 4 and is 5"):
        pretrain_tiny(place, out, resume=True, steps=10, warmup_steps=5)
    with pytest.raises(ResumeRefused, match=r"mask_rate was 0\.15 and is 0\.3"):
        pretrain_tiny(place, out, resume=True, steps=10, mask_rate=0.3)


def test_its_folder_has_no_report_and_says_what_has(run: Run) -> None:
    with pytest.raises(
        UsageError, match=r"contrapose pretrain.*summary\.json.*contrapose train .*--model \S*/model"
    ):
        open_run(run.folder)


def test_a_warm_up_that_nobody_gave_fits_the_run(place: Place, tmp_path: Path) -> None:
    run = pretrain_tiny(place, tmp_path / "run", steps=None, epochs=1)
    steps = run.summary["steps"]
    assert steps < 100
    assert read_record(run.folder)["settings"]["training"]["warmup_steps"] == steps // 2
    assert step_rows(run.folder)[0]["learning_rate"] < step_rows(run.folder)[steps // 2]["learning_rate"]


def test_a_new_encoder_of_a_given_size_is_drawn_and_learns(place: Place, tmp_path: Path) -> None:
    run = pretrain_tiny(
        place, tmp_path / "new", layers=1, width=16, heads=2, vocabulary=str(place.model), steps=40
    )
    assert (run.encoder.width, run.encoder.backbone.config.num_hidden_layers) == (16, 1)
    assert run.summary["loss_after"] < run.summary["loss_before"] - 0.1
    record = json.loads((run.folder / "run.json").read_text())
    assert "model" not in record["settings"]["encoder"]
    assert run.encoder.kind == "masked-lm"


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(place: Place, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        pretrain_tiny(place, tmp_path / name, steps=2, seed=seed)
    assert outcome(tmp_path / "one") == outcome(tmp_path / "again")
    assert outcome(tmp_path / "one")["model"] != outcome(tmp_path / "other")["model"]
    losses = [step_rows(tmp_path / "one")[step]["loss"] for step in (0, 1)]
    assert losses[0] != losses[1]


def test_every_column_of_pairs_is_read(place: Place, tmp_path: Path) -> None:
    run = pretrain_tiny(place, tmp_path / "pairs", corpus=place.pairs, steps=2)
    alone = pretrain_tiny(place, tmp_path / "one", corpus=place.pairs, columns=["anchor"], steps=2)
    assert run.summary["hidden_words"] > 1.5 * alone.summary["hidden_words"]


def test_too_little_text_to_hold_out_any_is_not_measured(place: Place, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("".join(f"{text}\n" for text in SENTENCES[:9]))
    summary = pretrain_tiny(place, tmp_path / "run", corpus=few, steps=2, batch_size=4).summary
    assert (summary["loss_before"], summary["loss_after"]) == (None, None)


def test_where_no_word_was_hidden_nothing_was_measured(place: Place, tmp_path: Path) -> None:
    summary = pretrain_tiny(place, tmp_path / "run", steps=2, mask_rate=1e-12).summary
    assert (summary["loss_after"], summary["accuracy_after"], summary["hidden_words"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layers": 2}, "a new encoder needs layers and width"),
        ({"layers": 2, "width": 30, "heads": 4}, "width 30 cannot be divided among 4 attention heads"),
        ({"warmup_steps": 8}, "warmup_steps .8. must be below steps .8."),
        ({"mask_rate": 1.0}, "mask_rate"),
        ({"head": "none"}, "unknown option 'head'"),
        ({"margin": 0.3}, "unknown option 'margin'"),
        ({"label_column": "class"}, "unknown option 'label_column'"),
        (
            {"steps": None, "epochs": 1, "warmup_steps": 99},
            "give --warmup-steps [0-9]+, more text, or more --steps",
        ),
        ({"max_length": 1_000}, "64"),
    ],
)
def test_wrong_options_are_refused_before_any_training(
    place: Place, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        pretrain_tiny(place, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_model_and_the_size_of_a_new_one_are_one_too_many(place: Place, tmp_path: Path) -> None:
    from contrapose.pretrain.api import pretrain

    with pytest.raises(UsageError, match="a model is given, and the size of a new one too"):
        pretrain(place.sentences, out=tmp_path / "run", model=place.model, layers=1, width=16)


def test_a_tokenizer_without_a_mask_token_is_refused(place: Place, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder = tmp_path / "maskless"
    shutil.copytree(place.model, folder)
    words = AutoTokenizer.from_pretrained(place.model).backend_tokenizer
    plain = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
    plain.save_pretrained(folder)
    with pytest.raises(UsageError, match="has no mask token"):
        pretrain_tiny(place, tmp_path / "run", model=folder)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("by_folder", [True, False])
@pytest.mark.parametrize(
    ("mine", "other"), [("pretrain", "train"), ("train", "pretrain")], ids=["pretrain", "train"]
)
def test_the_folder_of_the_other_verb_s_run_is_not_gone_on_with(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], mine: str, other: str, by_folder: bool
) -> None:
    {"train": run_tiny, "pretrain": pretrain_tiny}[other](place, tmp_path / "run", steps=2)
    before = outcome(tmp_path / "run")
    corpus = [] if by_folder else [str(place.sentences)]
    assert main([mine, *corpus, "--out", str(tmp_path / "run"), "--resume"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"holds a run of `contrapose {other}`: continue it with that" in said
    assert outcome(tmp_path / "run") == before


def test_a_damaged_configuration_is_told_in_a_sentence(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pretrain_tiny(place, tmp_path / "run", steps=2)
    config = run.folder / "config.toml"
    config.write_text(f'out = "{run.folder}"\ntraining = 3\n[data]\ncorpus = ["{place.sentences}"]\n')
    assert main(["pretrain", "--out", str(run.folder), "--resume", "--steps", "4"]) == 2
    assert "'training' must be a table" in " ".join(capsys.readouterr().err.split())
