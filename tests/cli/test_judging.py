"""evaluate with every kind of data, and runs: what a person judges a model by."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from contrapose.evaluate.senteval import YEARS
from contrapose.ledger import VARIABLE
from tests.cli.conftest import Command
from tests.evaluate.fakes import write_benchmark, write_year
from tests.evaluate.folders import write_beir, write_crosslingual, write_tables, write_transfer
from tests.tiny import SENTENCES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_crosslingual(tmp_path / "data")
    write_beir(tmp_path / "data" / "library")
    return write_tables(tmp_path / "data")


@pytest.fixture
def worded(tmp_path: Path) -> Path:
    """Data in words that the tiny model knows: it gives other texts other vectors."""
    root = tmp_path / "worded"
    (root / "library" / "qrels").mkdir(parents=True)
    records = [json.dumps({"_id": f"d{i}", "text": text}) for i, text in enumerate(SENTENCES)]
    (root / "library" / "corpus.jsonl").write_text("\n".join(records))
    asked = [json.dumps({"_id": f"q{i}", "text": text.split(" ", 3)[-1]}) for i, text in enumerate(SENTENCES)]
    (root / "library" / "queries.jsonl").write_text("\n".join(asked))
    judged = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i in range(len(SENTENCES)))]
    (root / "library" / "qrels" / "test.tsv").write_text("\n".join(judged))
    (root / "pairs").mkdir()
    pairs = [f"{i}\t{a}\t{b}" for i, (a, b) in enumerate(itertools.pairwise(SENTENCES))]
    (root / "pairs" / "test.tsv").write_text("\n".join(pairs))
    topics = [f"{i % 2}\t{text}" for i, text in enumerate(SENTENCES)]
    (root / "topics.tsv").write_text("\n".join(topics))
    return root


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ledger"))
    return tmp_path / "ledger"


def test_list_says_what_the_folders_hold_and_what_to_do_next(contrapose: Command, data: Path) -> None:
    done = contrapose("evaluate", "--list", "--data", data)
    assert done.code == 0
    for word in ("STSB.en-de", "library", "topics", "questions", "test, dev", "retrieval"):
        assert word in done.out
    assert "contrapose evaluate minilm --tasks crosslingual," in done.err
    listed = contrapose("evaluate", "--list", "--data", data, "--json").json
    assert {
        "task": "library",
        "group": "retrieval",
        "splits": ["test"],
        "where": str(data / "library"),
    } in listed


def test_list_of_an_empty_folder_says_what_is_understood(contrapose: Command, tmp_path: Path) -> None:
    done = contrapose("evaluate", "--list", "--data", tmp_path)
    assert done.code == 0
    assert "BEIR's layout" in done.out


def test_own_files_are_tasks(contrapose: Command, tiny: Path, data: Path) -> None:
    own = [
        "--pairs",
        data / "mine/scored.csv",
        "--labels",
        data / "topics/test.tsv",
        "--retrieval",
        data / "library",
    ]
    done = contrapose("evaluate", tiny, *own, "--json")
    assert done.code == 0, done.err
    found = {(result["task"], result["metric"]) for result in done.json["results"]}
    assert {("scored", "spearman"), ("test", "v_measure"), ("library", "ndcg@10")} <= found


def test_a_damaged_own_file_is_named_with_its_line(contrapose: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text("1\ta\tb\nmuch\tc\td\n")
    done = contrapose("evaluate", tiny, "--pairs", tmp_path / "mine.tsv")
    assert done.code == 1
    assert "mine.tsv:2: the score 'much' is not a number" in " ".join(done.out.split())
    good = tmp_path / "good.tsv"
    good.write_text("".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in enumerate(itertools.pairwise(SENTENCES))))
    done = contrapose("evaluate", tiny, "--pairs", tmp_path / "mine.tsv", "--pairs", good, "--json")
    assert done.code == 3, "the others still run"
    assert [result["task"] for result in done.json["results"]] == ["good"]
    assert "mine.tsv:2" in done.json["problems"][0]["message"]


def test_explain_prints_the_protocol_behind_each_number(contrapose: Command, tiny: Path, data: Path) -> None:
    done = contrapose("evaluate", tiny, "--tasks", "library,STSB.en-de", "--data", data, "--explain")
    assert done.code == 0, done.err
    assert "pooling cls" in done.out
    assert "linear gain, as trec_eval" in done.out
    assert "crosslingual: Spearman x 100" in done.out
    assert "30" in done.out


def test_explain_knows_every_kind_of_task(contrapose: Command, tiny: Path, tmp_path: Path) -> None:
    for year in YEARS:
        write_year(tmp_path / "senteval", year)
    write_benchmark(tmp_path / "senteval")
    write_transfer(tmp_path / "senteval", rows=20)
    root = write_tables(tmp_path / "more")
    write_crosslingual(root)
    write_beir(root / "library")
    tasks = "STS12,STSB,TREC,MR,crosslingual,retrieval,pairs,clustering,geometry"
    given = ["--data", tmp_path / "senteval", "--data", root, "--transfer-protocol", "senteval-transfer-fast"]
    done = contrapose("evaluate", tiny, "--tasks", tasks, *given, "--protocol", "senteval-mean", "--explain")
    assert done.code == 0, done.err
    out = " ".join(done.out.split())
    for words in (
        "pooling cls", "computed in", "cut at 64 tokens", "without a prompt",
        "not brought to unit length (cosines", "each distinct text encoded once",
        "mean over the task's parts", "unscored lines left out 5", "raw text", "equal values share their mean rank",
        "5 folds, rmsprop", "weight decay chosen of 1e-05, 0.0001, 0.001, 0.01",
        "stopped by 5% of its rows", "not by the fold that scores them", "published rows 10662",
        "5 folds, each with 5 folds inside; each row tested once", "40 rows to learn from in 5 folds, 30 test rows",
        "seed 1111", "best constant answer", "the first three columns", "as near as the partner count as nearer",
        "compared in fp32", "share of true pairs",
        "scored above 4", "interval 95%", "linear gain, as trec_eval", "title and text joined", "greater id first",
        "pairs of equal cosine enter together", "10 seeds, 100 iterations", "of the test split",
    ):  # fmt: skip
        assert words in out, words


def test_explain_of_own_text_names_no_split(contrapose: Command, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("\n".join(SENTENCES))
    done = contrapose("evaluate", tiny, "--text", tmp_path / "mine.txt", "--explain")
    assert f"{len(SENTENCES)} rows, raw text; source own texts" in " ".join(done.out.split())
    assert "the all split" not in done.out


def test_a_table_shows_an_interval_with_every_value(contrapose: Command, tiny: Path, worded: Path) -> None:
    done = contrapose("evaluate", tiny, "--tasks", "retrieval,pairs,clustering", "--data", worded)
    protocols = ("beir", "clustering", "scored-pairs")
    lines = [line for line in done.out.splitlines() if any(word in line for word in protocols)]
    assert len(lines) == 5, done.out
    assert all("[" in line for line in lines), done.out


def test_a_collapsed_encoder_is_told_once_per_task(contrapose: Command, tiny: Path, data: Path) -> None:
    """The tiny model knows none of these words: to it all texts are the same."""
    done = contrapose("evaluate", tiny, "--tasks", "retrieval,pairs", "--data", data)
    assert done.out.count("library: undefined, because all texts get (nearly) the same vector") == 1
    assert "[" not in done.out


def test_without_a_model_there_is_nothing_to_evaluate(contrapose: Command) -> None:
    done = contrapose("evaluate")
    assert done.code == 2
    assert "which model?" in done.err


def test_runs_lists_shows_and_compares(contrapose: Command, tiny: Path, worded: Path, ledger: Path) -> None:
    assert "yet" in contrapose("runs").out
    for _ in range(2):
        assert contrapose("evaluate", tiny, "--tasks", "retrieval,pairs", "--data", worded).code == 0
    listed = contrapose("runs", "--json").json
    assert [entry["kind"] for entry in listed] == ["evaluation", "evaluation"]
    first, second = (entry["id"] for entry in listed)
    shown = contrapose("runs")
    assert first in shown.out
    assert f"contrapose runs compare {first} {second}" in shown.err
    assert contrapose("runs", "--match", "nothing like this").out.startswith("nothing in")
    assert contrapose("runs", "show", first[:6]).json["results"] == listed[0]["results"]
    compared = contrapose("runs", "compare", first, second)
    assert compared.code == 0, compared.err
    assert "no clear change in 4 of 4" in compared.out
    changes = contrapose("runs", "compare", first, second, "--json").json
    assert {change["words"] for change in changes} == {"no clear change"}


def test_runs_says_which_measure_a_number_is_where_a_task_has_several(
    contrapose: Command, tiny: Path, worded: Path, ledger: Path
) -> None:
    assert contrapose("evaluate", tiny, "--tasks", "library,topics", "--data", worded).code == 0
    listed = " ".join(contrapose("runs").out.split())
    for said in ("library ndcg@10", "library mrr@10", "library recall@100"):
        assert said in listed
    assert "topics v_measure" not in listed


def test_what_cannot_be_compared_is_refused(
    contrapose: Command, tiny: Path, data: Path, ledger: Path
) -> None:
    for tasks in ("retrieval", "pairs"):
        contrapose("evaluate", tiny, "--tasks", tasks, "--data", data)
    first, second = (entry["id"] for entry in contrapose("runs", "--json").json)
    refused = contrapose("runs", "compare", first, second)
    assert refused.code == 2
    assert "share no defined number" in refused.err
    assert contrapose("runs", "show", "0000").code == 2


def test_a_training_run_is_recorded(
    contrapose: Command, tiny: Path, corpus: Path, tmp_path: Path, ledger: Path
) -> None:
    out = tmp_path / "run"
    assert (
        contrapose("train", corpus, "--model", tiny, "--out", out, "--steps", 2, "--batch-size", 8).code == 0
    )
    (entry,) = contrapose("runs", "--kind", "run", "--json").json
    assert entry["folder"] == str(out)
    assert entry["summary"]["steps"] == 2
    assert entry["settings"]["training"]["batch_size"] == 8
    judged = contrapose("evaluate", out, "--tasks", "geometry", "--text", corpus)
    assert f"contrapose report {out} -o report.html" in judged.err


def test_a_switched_off_ledger_is_told(contrapose: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "off")
    done = contrapose("runs")
    assert done.code == 2
    assert "switched off" in done.err
