"""Before the first step: one process per folder, nothing left behind by a refusal, everything written down."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from contrapose.config import read_toml
from contrapose.encoder.encoder import Encoder
from contrapose.errors import EmptyCorpus, RunLocked, UsageError
from contrapose.train.api import Run, train_with
from contrapose.train.configuration import nested, resolve
from tests.train.processes import start, wait_for_step
from tests.train.runs import Place, Witness, outcome, run_tiny, texts
from tests.waiting import PATIENCE


def test_a_second_process_is_refused_by_the_name_of_the_first(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start(place, out, steps=5000)
    wait_for_step(process, out, 1)
    for resume in (False, True):
        with pytest.raises(RunLocked, match=rf"in use by process {process.pid} on ") as refused:
            run_tiny(place, out, steps=5000, resume=resume)
        assert refused.value.exit_code == 1
    assert process.is_alive()
    process.kill()
    process.join(PATIENCE)
    # The dead process's lock is no obstacle; that the run is there is one.
    with pytest.raises(UsageError, match="--resume"):
        run_tiny(place, out, steps=5000)


@pytest.mark.parametrize(
    "options",
    [
        {"corpus": "missing.txt"},
        {"model": "no-such-folder/model"},
        {"method": "no-such-method"},
        {"device": "tpu"},
        {"device": "meta"},
        {"margin": 0.3},
        {"method": "simcse", "hard_negative_weight": 5.0},
    ],
    ids=str,
)
def test_a_refused_run_leaves_no_folder(place: Place, tmp_path: Path, options: dict[str, Any]) -> None:
    from contrapose.errors import ContraposeError

    with pytest.raises(ContraposeError) as refused:
        run_tiny(place, tmp_path / "run", **options)
    assert "\n" not in str(refused.value).strip()
    assert not (tmp_path / "run").exists()


def test_an_empty_folder_of_the_user_is_not_deleted(place: Place, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(UsageError):
        run_tiny(place, tmp_path / "run", device="tpu")
    assert (tmp_path / "run").is_dir()


def test_an_empty_corpus_is_a_clear_error(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n \n\n")
    with pytest.raises(EmptyCorpus):
        run_tiny(place, tmp_path / "run", corpus=tmp_path / "empty.txt")


def test_a_file_in_place_of_the_folder_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        run_tiny(place, tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_an_encoder_without_dropout_is_refused_for_dropout_views_only(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--dropout 0\.1"):
        run_tiny(place, tmp_path / "run", dropout=0.0)
    run_tiny(place, tmp_path / "crop", dropout=0.0, views="crop", steps=1)


def test_a_warm_up_longer_than_the_run_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"warmup_steps \(15\) must be below the 14 steps.*--warmup-steps 7"):
        run_tiny(place, tmp_path / "run", steps=None, epochs=1, warmup_steps=15)


def test_the_run_writes_down_what_it_was_told_and_where_it_ran(place: Place, tmp_path: Path) -> None:
    run = run_tiny(place, tmp_path / "run", steps=2, method="hncse-hnm", k=3)
    config = read_toml(run.folder / "config.toml")
    assert config["method"]["hyperparameters"]["k"] == 3
    assert config["method"]["hyperparameters"]["num_mixtures"] == 40, "defaults are recorded too"
    assert config["training"]["batch_size"] == 8
    environment = json.loads((run.folder / "env.json").read_text())
    assert {"python", "versions", "device", "threads", "cpu_capability", "processes"} <= environment.keys()
    assert environment["versions"]["torch"]


def test_the_written_configuration_repeats_the_run(place: Place, tmp_path: Path) -> None:
    run = run_tiny(place, tmp_path / "run", method="hncse-hnm", parts=("queue",), k=3)
    settings = resolve(read_toml(run.folder / "config.toml"), nested({"out": tmp_path / "again"}))
    again = train_with(settings, listener=Witness())
    assert outcome(again.folder) == outcome(run.folder)


def test_the_facts_shown_at_the_start_are_measured(place: Place, tmp_path: Path) -> None:
    class Facts(Witness):
        def started(self, first_step: int, num_steps: int, facts: Any) -> None:
            self.facts = dict(facts)

    witness = Facts()
    run_tiny(place, tmp_path / "run", steps=1, listener=witness)
    assert (witness.facts["rows"], witness.facts["held_out"], witness.facts["views"]) == (108, 12, "dropout")
    assert 0 < witness.facts["view_cosine"] < 0.9999


def test_held_out_texts_are_never_trained_on(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = tmp_path / "many.txt"
    corpus.write_text("\n".join(texts(400, seed=9)))
    measured: set[str] = set()
    trained: set[str] = set()
    encode, token_ids = Encoder.encode, Encoder.token_ids

    def listen(self: Encoder, given: Any, max_length: int | None = None) -> Any:
        if max_length == 16:
            trained.update(given)
        return token_ids(self, given, max_length)

    def note(self: Encoder, given: Any, **options: Any) -> Any:
        measured.update(given)
        return encode(self, given, **options)

    monkeypatch.setattr(Encoder, "token_ids", listen)
    monkeypatch.setattr(Encoder, "encode", note)
    run_tiny(place, tmp_path / "run", corpus=corpus, criterion="label-free", steps=45, save_every=1000)
    assert len(measured) == 40 + 80, "held-out texts and their halves"
    assert len(trained) == 360
    assert not any(piece in text for piece in measured for text in trained)


def test_too_few_held_out_rows_are_told_or_refused(place: Place, tmp_path: Path) -> None:
    witness = Witness()
    run = run_tiny(place, tmp_path / "run", criterion="auto", steps=1, listener=witness)
    assert any("the model will be the last step's" in notice for notice in witness.notices)
    assert run.summary["criterion"] is None
    with pytest.raises(UsageError, match="40 are needed"):
        run_tiny(place, tmp_path / "asked", criterion="label-free", steps=1)


def test_a_run_gives_its_metrics_summary_and_encoder(place: Place, tmp_path: Path) -> None:
    from contrapose.errors import CorruptFile

    run = run_tiny(place, tmp_path / "run", steps=3)
    assert [row["step"] for row in run.metrics] == [1, 2, 3]
    assert run.summary["steps"] == 3
    assert run.encoder.encode(["a cat sits on the mat"]).shape == (1, 32)
    assert not any("seconds" in row for row in run.metrics), "times would make a resumed run differ"
    assert sorted(os.listdir(run.folder)) == [
        "cache", "checkpoints", "config.toml", "env.json", "metrics.jsonl", "model", "run.json", "summary.json",
        "timings.jsonl",
    ]  # fmt: skip
    with pytest.raises(CorruptFile, match="not finished"):
        _ = Run(tmp_path / "nothing").summary
