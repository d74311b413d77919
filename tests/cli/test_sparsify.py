"""``contrapose sparsify`` at the command line: what is printed, what JSON holds, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.pruning import sparsify as library
from contrapose.pruning.scoring import KEPT
from contrapose.train.signals import Stopped
from tests.cli.conftest import Command
from tests.evaluate.fakes import write_benchmark

QUICK = ("--sentences", "32", "--batch-size", "16", "--device", "cpu")


def test_the_table_the_verdict_and_the_next_step_are_printed(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sparse"
    done = contrapose("sparsify", tiny, corpus, "--rate", "0.05", "--out", out, *QUICK)
    assert done.code == 0, done.err
    assert (
        "weights in 12 matrices are zero now: the lowest 5.00% of every matrix, scored on 32 sentences"
        in done.out
    )
    for word in ("alignment", "uniformity", "before", "after", "change [95% interval]"):
        assert word in done.out
    assert f"written: {out}" in done.out
    assert "mask_file=" in done.err
    assert Encoder.load(out).width == 32


def test_json_is_the_record_and_nothing_else_is_printed(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    write_benchmark(tmp_path / "data", rows=30)
    done = contrapose(
        "sparsify", tiny, corpus, "--out", tmp_path / "sparse", "--data", tmp_path / "data", "--tasks", "STS-B",
        "--json", *QUICK,
    )  # fmt: skip
    assert done.code == 0, done.err
    shown = done.json
    assert shown["rate"] == 0.02
    assert shown["effects"][0]["task"] == "STS-B"
    assert {"low", "high", "word"} <= shown["effects"][0].keys()
    assert shown["verdict"]
    assert "Try next" not in done.err


def test_a_task_without_data_is_left_out_with_exit_code_3(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    write_benchmark(tmp_path / "data", rows=30)
    done = contrapose(
        "sparsify", tiny, corpus, "--out", tmp_path / "sparse", "--data", tmp_path / "data", "--tasks", "STS-B,STS12",
        "--quiet", *QUICK,
    )  # fmt: skip
    assert done.code == 3, done.err
    assert "left out: STS12" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rate", "2"), "give a share of the weights between 0 and 1"),
        (("--scope", "matrx"), "--scope: unknown value 'matrx'. Did you mean 'matrix'?"),
        (("--reduction", "mean"), "--reduction: unknown value 'mean'"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence_and_nothing_is_written(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path, options: tuple[str, str], words: str
) -> None:
    done = contrapose("sparsify", tiny, corpus, "--out", tmp_path / "sparse", *options, *QUICK)
    assert done.code == 2
    assert words in done.err
    assert list(tmp_path.glob("sparse*")) == []
    assert "Traceback" not in done.err


def test_a_model_that_is_not_there_is_refused_and_nothing_is_written(
    contrapose: Command, corpus: Path, tmp_path: Path
) -> None:
    done = contrapose("sparsify", "nowhere", corpus, "--out", tmp_path / "sparse", *QUICK)
    assert (done.code, "no such model: 'nowhere'" in done.err) == (2, True), done.err
    assert list(tmp_path.glob("sparse*")) == []


def test_a_file_of_that_name_is_refused_even_where_it_may_be_replaced(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "sparse").write_text("mine")
    done = contrapose("sparsify", tiny, corpus, "--out", tmp_path / "sparse", "--force", *QUICK)
    assert (done.code, "is a file, not a folder" in done.err) == (2, True), done.err
    assert (tmp_path / "sparse").read_text() == "mine"


@pytest.mark.parametrize("some_are_kept", [True, False])
def test_what_was_stopped_says_how_to_go_on(
    contrapose: Command,
    tiny: Path,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    some_are_kept: bool,
) -> None:
    def stopped(*_: object) -> None:
        if some_are_kept:
            (tmp_path / "sparse.scoring" / KEPT).mkdir()
        raise Stopped(15)

    monkeypatch.setattr(library, "score_weights", stopped)
    done = contrapose("sparsify", tiny, corpus, "--out", tmp_path / "sparse", *QUICK)
    assert done.code == 143
    assert ("scores so far are kept in" in done.err) == some_are_kept
    assert ("begins anew" in done.err) != some_are_kept
    assert (tmp_path / "sparse.scoring").exists() == some_are_kept
    assert not (tmp_path / "sparse").exists()
    monkeypatch.undo()
    assert contrapose("sparsify", tiny, corpus, "--out", tmp_path / "sparse", *QUICK).code == 0


def test_help_has_examples(contrapose: Command) -> None:
    done = contrapose("sparsify", "--help")
    assert "contrapose sparsify runs/notes notes.txt --rate 0.02" in done.out
