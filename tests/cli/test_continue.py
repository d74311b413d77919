"""contrapose continue with a tiny model: real runs one after the other, judged on rows that no run has seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contrapose.cli.main import main
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.experiment import continuing
from contrapose.experiment.continuing import Continuation
from contrapose.experiment.measuring import Setting
from contrapose.train import loop
from contrapose.train.run_folder import read_record
from tests.cli.conftest import Command
from tests.experiment.small import write_senteval
from tests.train.runs import Killed, texts

FAST = ("--steps", 2, "--batch-size", 8)


def write(path: Path, rows: int, seed: int) -> Path:
    path.write_text("\n".join(texts(rows, seed=seed)) + "\n")
    return path


@pytest.fixture(scope="module")
def folder_of_texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of the earlier kind, and two new ones of which a tenth is just enough to judge by."""
    folder = tmp_path_factory.mktemp("continue")
    for number, (name, rows) in enumerate((("code", 60), ("medical", 420), ("banking", 420))):
        write(folder / f"{name}.txt", rows, seed=number)
    return folder


@pytest.fixture(scope="module")
def arguments(folder_of_texts: Path, tiny: Path) -> list[object]:
    return [
        "continue",
        tiny,
        folder_of_texts / "medical.txt",
        "--earlier",
        folder_of_texts / "code.txt",
        *FAST,
    ]


@pytest.fixture(scope="module")
def whole(arguments: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A continuation that is done."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert main([*map(str, arguments), "--out", str(out)]) == 0
    return out


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


def test_it_trains_both_judges_all_three_and_goes_on_with_more_seeds(
    contrapose: Command, arguments: list[object], whole: Path, tiny: Path, tmp_path: Path
) -> None:
    done = contrapose(*arguments, "--out", whole)
    assert (done.code, len(rows(whole))) == (0, 3), done.err
    for words in ("code (earlier): partner found", "medical: expected gain", "pnr - before", "pnr - plain"):
        assert words in done.out
    told = [line for line in done.out.splitlines() if line.startswith(("code (earlier): ", "medical: "))]
    assert ["pnr" in line and "plain training" in line for line in told] == [True] * 6
    assert "how often such a verdict is right" in done.out
    assert "contrapose search" in done.err
    assert [row["factors"] for row in rows(whole)] == [
        {"method": "start"}, {"method": "pnr", "seed": 0}, {"method": "simcse", "seed": 0},
    ]  # fmt: skip
    models = [whole / "runs" / f"1-{name}-seed-0" / "model" for name in ("pnr", "simcse")]
    assert len({Encoder.load(model).fingerprint() for model in (tiny, *models)}) == 3
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    again = contrapose(*arguments, "--out", out, "--seeds", 2, "--json")
    assert again.code == 0, again.err
    assert len(rows(out)) == 5, "what is done is not repeated"
    assert again.json["model"] == str(out / "runs" / "1-pnr-seed-0" / "model")
    code, medical = again.json["texts"]
    assert (code["text"], medical["text"]) == ("code (earlier)", "medical")
    assert len(medical["verdicts"]["simcse"]) == 2
    ranks = medical["numbers"]["medical: partner found (MRR)"]
    values = [row["values"]["medical: partner found (MRR)"]["value"] for row in rows(out)]
    assert ranks["before"] == values[0]
    assert ranks["pnr"] == pytest.approx((values[1] + values[3]) / 2)
    assert ranks["plain_to_before"]["difference"] == pytest.approx(
        (values[2] + values[4]) / 2 - values[0], abs=1e-3
    )


def test_no_run_sees_the_rows_that_judge_it(whole: Path, folder_of_texts: Path) -> None:
    everything = set((folder_of_texts / "medical.txt").read_text().splitlines())
    trained_on = [
        set(Corpus.open(whole / "runs" / f"1-{name}-seed-0" / "cache" / "corpus").take(range(378))["text"])
        for name in ("pnr", "simcse")
    ]
    assert trained_on[0] == trained_on[1]
    assert trained_on[0] < everything
    assert len(everything - trained_on[0]) == 42
    assert [len(list(whole.glob(f"text/{number}/training-*.jsonl"))) for number in (0, 1)] == [0, 1], (
        "nobody is trained on the earlier text"
    )


def test_several_texts_are_learnt_one_after_the_other_and_labelled_tasks_are_measured(
    contrapose: Command, arguments: list[object], folder_of_texts: Path, tmp_path: Path
) -> None:
    out, data = tmp_path / "out", write_senteval(tmp_path / "senteval")
    more = [folder_of_texts / "banking.txt", "--data", data, "--split", "dev", "--tasks", "STS-B"]
    more += ["--set", "target_weight=0.5"]
    done = contrapose(*arguments[:3], *more, *arguments[3:], "--out", out, "--json")
    assert done.code == 0, done.err
    assert "target_weight is a hyperparameter of pnr only" in done.err
    assert [each.get("text") or each["task"] for each in done.json["texts"]] == [
        "code (earlier)", "medical", "banking", "STS-B",
    ]  # fmt: skip
    for method in ("pnr", "simcse"):
        record = read_record(out / "runs" / f"2-{method}-seed-0")
        first = out / "runs" / f"1-{method}-seed-0" / "model"
        assert record["settings"]["encoder"]["model"] == str(first)
        assert record["model"] == Encoder.load(first).fingerprint()
        assert record["settings"]["method"]["hyperparameters"].get("target_weight") == (
            0.5 if method == "pnr" else None
        )
        if method == "pnr":
            assert record["beside"] == {"previous": record["model"]}, (
                "it remembers what the run before it made"
            )


def test_a_killed_continuation_goes_on_in_the_middle_of_a_run(
    contrapose: Command,
    arguments: list[object],
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut = tmp_path / "cut"
    measure = continuing.label_free_values

    def killed(text: Any, *rest: Any) -> Any:
        if (cut / "runs" / "1-pnr-seed-0" / "model").exists():
            raise Killed
        return measure(text, *rest)

    monkeypatch.setattr(continuing, "label_free_values", killed)
    with pytest.raises(Killed):
        contrapose(*arguments, "--out", cut)
    assert len(rows(cut)) == 1, "killed after the run, before it was judged"
    monkeypatch.undo()
    assert contrapose(*arguments, "--out", cut).code == 0
    assert [row["values"] for row in rows(cut)] == [row["values"] for row in rows(whole)]


def test_a_model_that_diverged_is_neither_advised_nor_named(
    contrapose: Command, arguments: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finite = loop.what_is_not_finite

    def of_pnr_nothing_is(result: Any, *rest: Any) -> str:
        return "the loss is not finite" if len(result.loss.terms) > 1 else finite(result, *rest)

    monkeypatch.setattr(loop, "what_is_not_finite", of_pnr_nothing_is)
    done = contrapose(*arguments, "--set", "max_skipped=1", "--out", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert ["failed" in row["facts"] for row in rows(tmp_path / "out")] == [False, True, False]
    assert done.json["model"] is None
    assert "medical: pnr diverged" in " ".join(done.json["verdicts"])
    assert not any("Use the model of pnr" in line for line in done.json["verdicts"])
    shown = contrapose(*arguments, "--set", "max_skipped=1", "--out", tmp_path / "out")
    assert (shown.code, "contrapose search" in shown.err) == (0, False), shown.err


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--earlier", "nowhere.txt"], "nowhere.txt"),
        (["--earlier", "-"], "give files, not standard input"),
        (["--set", "margim=0.2"], "unknown key 'margim'"),
        (["--set", "target_weight=-1"], "target_weight"),
        (["--seeds", "0"], "--seeds"),
        (["--split", "train"], "--split"),
        (["--data", "nowhere"], "no such folder"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_trained(
    contrapose: Command,
    arguments: list[object],
    folder_of_texts: Path,
    tmp_path: Path,
    changed: list[str],
    words: str,
) -> None:
    done = contrapose(*arguments, *changed, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_too_little_text_to_judge_by_and_a_missing_model_are_told(
    contrapose: Command, arguments: list[object], folder_of_texts: Path, tiny: Path, tmp_path: Path
) -> None:
    short = write(tmp_path / "short.txt", 100, seed=4)
    done = contrapose(
        "continue", tiny, short, "--earlier", folder_of_texts / "code.txt", *FAST, "--out", tmp_path / "out"
    )
    assert (done.code, "short has 10 texts to judge by (a tenth of all)" in done.err) == (2, True)
    assert not (tmp_path / "out").exists()
    done = contrapose("continue", tmp_path / "no", short, "--earlier", short, "--out", tmp_path / "other")
    assert done.code != 0
    assert "no such model" in done.err
    done = contrapose("continue", tiny, short)
    assert (done.code, "--earlier" in done.err) == (2, True)


def test_texts_are_named_by_their_files_and_by_more_where_these_are_equal() -> None:
    def names(*paths: str) -> tuple[str, ...]:
        first, *new = paths
        setting = Setting(corpus=tuple(new))
        return Continuation(setting=setting, corpora=tuple(new), earlier=(first,)).names

    assert names("code.txt", "b/medical.txt.gz") == ("code (earlier)", "medical")
    assert names("a/text.txt", "b/text.txt", "c.txt") == ("a/text (earlier)", "b/text", "c")
    assert names("a.txt", "b.txt", "b.txt") == ("a (earlier)", *(f"{folder()}/b ({n})" for n in (1, 2)))


def folder() -> str:
    return Path.cwd().name
