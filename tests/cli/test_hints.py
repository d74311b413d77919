"""A hint is a command that works and goes on from what was shown: every one that a verb prints is run."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrapose.hints import SENTEVAL, YOUR_DATA, YOUR_PAIRS, YOUR_TEXT
from contrapose.ledger import VARIABLE, Ledger
from tests.cli.conftest import Command, Done
from tests.experiment.small import write_senteval
from tests.tiny import SENTENCES, tiny_bert

#: Runs are made short by options that come last; what they change is not what a hint is about.
SHORTER = {
    "sweep": ["--trials", "1"],
    "train": ["--set", "held_out_rows=0", "--set", "criterion=none"],
    "report": ["--sample", "0"],
}
TRAINED = ("--steps", 2, "--batch-size", 8, "--set", "held_out_rows=0", "--set", "criterion=none")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: what hints name in capitals is there, and minilm is a tiny model."""
    from contrapose.encoder import source

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    tiny = tiny_bert(tmp_path / "a tiny model")
    monkeypatch.setattr(source, "_embedded_folder", lambda: tiny)
    lines = [f"{text} number {place}" for place in range(4) for text in SENTENCES]
    for name in (YOUR_TEXT, "my notes.txt", "more.txt"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    scored = [f"{number % 5},{a},{b}" for number, (a, b) in enumerate(itertools.pairwise(lines))]
    (tmp_path / YOUR_PAIRS).write_text("score,first,second\n" + "\n".join(scored) + "\n")
    for name in (SENTEVAL, YOUR_DATA, "my data"):
        write_senteval(tmp_path / name)
    return tmp_path


def hints(done: Done) -> list[str]:
    """The commands below "Try next:", on either stream, as they are printed."""
    assert done.code == 0, done.err
    found = []
    for told in (done.out, done.err):
        for block in told.split("Try next:\n")[1:]:
            found += [line.strip() for line in block.splitlines() if line.startswith("  contrapose ")]
    return found


def words(hint: str) -> list[str]:
    """As a shell reads it."""
    return shlex.split(hint, comments=True)[1:]


@pytest.fixture
def run_all(contrapose: Command, place: Path) -> Callable[[list[str]], list[Done]]:
    """Run each hint; all must work."""

    def run(found: list[str]) -> list[Done]:
        ended = []
        for hint in found:
            arguments = words(hint)
            shorter = list(SHORTER.get(arguments[0], []))
            if arguments[0] == "train":
                assert not Path(arguments[arguments.index("--out") + 1]).exists()
                # Of two hints that were printed before either was run, the second would find the folder taken.
                shorter += ["--out", f"run-{len(list(place.iterdir()))}"]
            done = contrapose(*arguments, *shorter)
            assert done.code in (0, 3), f"{hint}\n{done.err}"
            ended.append(done)
        return ended

    return run


def verbs(found: list[str]) -> list[str]:
    return [words(hint)[0] for hint in found]


def test_hints_of_training_judging_reporting_and_the_ledger(
    contrapose: Command, place: Path, run_all: Any
) -> None:
    out = place / "a run"
    trained = contrapose("train", "my notes.txt", "more.txt", "--out", out, *TRAINED)
    found = hints(trained)
    assert verbs(found) == ["evaluate", "evaluate", "report", "search"]
    assert words(found[-1])[1:] == [str(out / "model"), "my notes.txt", "more.txt", "what you look for"]
    judged = run_all(found)
    assert verbs(hints(judged[0])) == ["train"]
    assert verbs(hints(judged[1])) == ["report"]
    run_all([*hints(judged[0]), *hints(judged[1]), *hints(judged[3])])
    listed = hints(contrapose("runs"))
    (compared,) = run_all(listed)
    assert "from minilm" in compared.out
    assert "to a run/model" in compared.out
    unjudged = contrapose("report", out, "-o", "again.html", "--sample", 0)
    run_all(hints(unjudged))


def test_hints_where_there_is_nothing_yet(contrapose: Command, place: Path, run_all: Any) -> None:
    assert verbs(hints(contrapose("runs"))) == ["evaluate"]
    (place / "my data" / "STS" / "STSBenchmark" / "sts-test.csv").unlink()
    (place / "my data" / "SICK" / "SICK_test_annotated.txt").unlink()
    listed = hints(contrapose("evaluate", "--list", "--data", "my data"))
    assert "--split dev" in listed[0], "this folder has no test split"
    (done,) = run_all(listed)
    assert hints(done)[0].startswith("contrapose train YOUR_TEXT.txt --model minilm --out runs/mine")
    run_all(hints(contrapose("methods")))
    (place / "runs" / "mine").mkdir(parents=True)
    assert hints(contrapose("methods"))[0].endswith("--out runs/mine-2")


def test_hints_of_using_a_model(contrapose: Command, place: Path, run_all: Any) -> None:
    (place / "table.csv").write_text("title,body\n" + "".join(f"a title,{text}\n" for text in SENTENCES))
    encoded = contrapose("encode", "a tiny model", "table.csv", "-o", "v.npy", "--columns", "body")
    assert words(hints(encoded)[0])[-2:] == ["--columns", "body"]
    (searched,) = run_all(hints(encoded))
    run_all(hints(searched))
    for text in ("a cat", "-5 degrees", "notes.txt"):
        run_all(hints(contrapose("similarity", "a tiny model", "--", text, "another text")))
    (place / "code.py").write_text("".join(f'def f{n}():\n    """{t}."""\n' for n, t in enumerate(SENTENCES)))
    harvested = contrapose("harvest", "python", "code.py", "-o", "from python.parquet")
    run_all(hints(harvested))


def test_hints_of_a_run_on_pairs_name_the_column_or_leave_searching_out(
    contrapose: Command, place: Path, run_all: Any
) -> None:
    rows = [f'{{"anchor": "{a}", "positive": "{a} again"}}\n' for a in SENTENCES]
    (place / "pairs.jsonl").write_text("".join(rows))
    shared = ("--steps", 1, "--batch-size", 4, "--set", "held_out_rows=0", "--set", "criterion=none")
    known = contrapose("train", "pairs.jsonl", "--out", "known", *shared)
    assert "search" not in verbs(hints(known))
    named = contrapose("train", "pairs.jsonl", "--columns", "anchor,positive", "--out", "named", *shared)
    search = hints(named)[-1]
    assert words(search)[-2:] == ["--columns", "anchor"]
    run_all([search])


def test_hints_of_compare_repeat_what_was_given(contrapose: Command, place: Path, run_all: Any) -> None:
    given = ["my notes.txt", "--model", "a tiny model", "--data", "my data", "--tasks", "STS-B", *TRAINED]
    done = contrapose("compare", *given, "--methods", "simcse,hncse-hnm", "--seeds", 1, "--split", "dev",
                      "--set", "learning_rate=1e-4", "--set", "k=3", "--out", "a comparison")  # fmt: skip
    page, sweep, train = hints(done)
    assert words(page) == ["report", "a comparison", "--out", "report.html"]
    for hint in (sweep, train):
        for part in ("'my notes.txt'", "--method hncse-hnm", "--model 'a tiny model'", "--steps 2", "--set k=3",
                     "--batch-size 8", "--set criterion=none"):  # fmt: skip
            assert part in hint, hint
    assert "--data 'my data' --tasks STS-B" in sweep
    assert "--set learning_rate" not in sweep
    assert "--set learning_rate=0.0001" in train
    assert "--set blend=1.0" in train, "the comparison measured what was trained, not a blend"
    swept, _, _ = run_all([sweep, train, page])
    page, more = hints(swept)
    assert words(page)[:2] == ["report", "runs/sweep"]
    for part in ("--trials 1", "--seeds 3", "--out runs/sweep", "--tasks STS-B", "--model 'a tiny model'"):
        assert part in more, more
    (steady,) = run_all([more])
    _, last = hints(steady)
    assert words(last)[0] == "compare"
    (place / "my data" / "STS" / "STSBenchmark" / "sts-test.csv").unlink()
    (untested,) = run_all([more])
    assert verbs(hints(untested)) == ["report", "train"], (
        "without a test split there is nothing to compare on"
    )


def test_hints_of_experiments_that_take_days_are_read_as_they_were_given(
    contrapose: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Running them takes hours; so they are parsed by the verb itself, and what it would do is looked at."""

    monkeypatch.chdir(place)
    (place / "wiki1m_for_simcse.txt").write_text("a sentence\nanother\n")
    recipe, sources = hints(contrapose("reproduce"))
    assert contrapose(*words(sources)).json
    refused = contrapose(*words(recipe))
    assert "the text:" not in refused.err
    assert "the benchmarks:" not in refused.err


def evaluation(ledger: Ledger, model: str, *, task: str = "mine") -> str:
    import numpy as np

    result = {"task": task, "metric": "ndcg@10", "protocol": "own", "split": "test", "value": 1.0,
              "details": {"data_fingerprint": "d"}}  # fmt: skip
    evidence = {f"{task}|ndcg@10|values": np.arange(5.0)}
    return ledger.append(
        "evaluation", {"model": model, "fingerprint": model, "results": [result]}, evidence
    ).id


def trained(ledger: Ledger, start: str, made: str) -> None:
    ledger.append("run", {"summary": {"start_fingerprint": start, "fingerprint": made}, "folder": "runs/x"})


@pytest.mark.parametrize("order", [("start", "made"), ("made", "start")])
def test_runs_compares_from_the_start_to_what_was_trained_whichever_was_evaluated_first(
    contrapose: Command, place: Path, order: tuple[str, str]
) -> None:
    ledger = Ledger(place / "ledger")
    trained(ledger, "start", "between")
    trained(ledger, "between", "made")
    trained(ledger, "made", "made")  # a run that handed out its start
    ids = {model: evaluation(ledger, model) for model in order}
    assert hints(contrapose("runs")) == [f"contrapose runs compare {ids['start']} {ids['made']}"]


def test_runs_suggests_only_what_can_be_compared(contrapose: Command, place: Path) -> None:
    ledger = Ledger(place / "ledger")
    first = evaluation(ledger, "a")
    evaluation(ledger, "b", task="another")
    assert "runs show" in hints(contrapose("runs"))[0]
    evaluation(ledger, "c")
    newest = evaluation(ledger, "c")  # the same encoder again: a comparison of it with itself says little
    evaluation(ledger, "d", task="a third")
    (hint,) = hints(contrapose("runs"))
    assert words(hint) == ["runs", "compare", first, newest]
    assert contrapose(*words(hint)).code == 0
