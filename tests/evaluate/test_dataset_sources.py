"""Folders are recognised by their layout, and what does not fit is named with file and line."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from contrapose.errors import DataError, UsageError
from contrapose.evaluate.beir import read_beir
from contrapose.evaluate.dataset_sources import dataset_sources, expand_tasks
from contrapose.evaluate.labelled import read_judged
from contrapose.evaluate.senteval_transfer import read_transfer
from contrapose.evaluate.suite import evaluate
from tests.evaluate.fakes import random_directions, write_benchmark
from tests.evaluate.folders import write_beir, write_crosslingual, write_tables, write_transfer


def test_every_layout_is_recognised_in_one_folder_of_folders(tmp_path: Path) -> None:
    write_benchmark(write_transfer(tmp_path))
    write_crosslingual(tmp_path)
    write_beir(tmp_path / "library")
    write_tables(tmp_path)
    found = {(source.group, source.task): source.splits for source in dataset_sources([tmp_path])}
    assert found["sts", "STS-B"] == ("test",)
    assert [task for group, task in found if group == "transfer"] == [
        "MR",
        "CR",
        "SUBJ",
        "MPQA",
        "SST2",
        "TREC",
        "MRPC",
    ]
    assert found["crosslingual", "STSB.en-de"] == ("test", "dev")
    assert found["crosslingual", "SICK.en-ja"] == ("dev",)
    assert found["retrieval", "library"] == ("test",)
    assert found["clustering", "topics"] == ("test",)
    assert {task for group, task in found if group == "pairs"} == {"questions", "scored"}
    assert len(found) == 15


def test_groups_mean_what_the_folders_hold(tmp_path: Path) -> None:
    sources = dataset_sources([write_crosslingual(tmp_path)])
    assert expand_tasks(["crosslingual"], "test", sources) == ("STS17.track1.ar-ar", "STSB.en-de")
    assert expand_tasks(["crosslingual"], "dev", sources) == ("SICK.en-ja", "STSB.en-de")
    assert expand_tasks(["stsb.EN-DE"], "dev", sources) == ("STSB.en-de",)
    with pytest.raises(UsageError, match=r"SICK\.en-ja has no split 'test'; it has: dev"):
        expand_tasks(["SICK.en-ja"], "test", sources)


def test_a_group_that_no_folder_holds_is_a_problem_and_the_others_run(tmp_path: Path) -> None:
    found = evaluate(random_directions(), ["retrieval", "crosslingual"], write_crosslingual(tmp_path))
    assert [problem.task for problem in found.problems] == ["retrieval"]
    assert "contrapose evaluate --list" in found.problems[0].message
    assert found.exit_code == 3


@pytest.mark.parametrize(
    ("task", "file", "line", "text", "message"),
    [
        ("SST2", "SST/binary/sentiment-dev", 3, "no tab", "sentiment-dev:3: 1 columns instead of 2"),
        ("SST2", "SST/binary/sentiment-dev", 2, "text\t2", "label '2' is neither 0 nor 1"),
        ("TREC", "TREC/TREC_10.label", 4, "no label", "TREC_10.label:4: expected 'coarse:fine question'"),
        ("MRPC", "MRPC/msr_paraphrase_test.txt", 5, "1\t2\t3\t4", "test.txt:5: 4 columns instead of 5"),
        ("MRPC", "MRPC/msr_paraphrase_test.txt", 5, "1\t2\t3\t4\t ", "test.txt:5: an empty text"),
    ],
)
def test_damaged_transfer_files_are_named_with_their_line(
    tmp_path: Path, task: str, file: str, line: int, text: str, message: str
) -> None:
    _change(write_transfer(tmp_path) / file, line, text)
    with pytest.raises(DataError, match=message):
        read_transfer(tmp_path, task)


def test_a_missing_transfer_file_is_named(tmp_path: Path) -> None:
    (write_transfer(tmp_path) / "CR/custrev.pos").unlink()
    with pytest.raises(DataError, match=r"custrev\.pos: cannot be read"):
        read_transfer(tmp_path, "CR")


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        ("queries.jsonl", 2, "{", "queries.jsonl:2: invalid JSON"),
        ("queries.jsonl", 2, "[]", "queries.jsonl:2: wrong type.*expected an object"),
        ("queries.jsonl", 2, '{"text": "x"}', "queries.jsonl:2: no _id"),
        ("queries.jsonl", 2, '{"_id": "x"}', "queries.jsonl:2: no text under 'text'"),
        ("queries.jsonl", 2, '{"_id": "x", "text": " "}', "queries.jsonl:2: a query without text"),
        ("queries.jsonl", 2, '{"_id": "q0", "text": "x"}', "queries.jsonl:2: the id 'q0' occurs twice"),
        ("qrels/test.tsv", 2, "q0\td0", "test.tsv:2: 2 columns instead of 3"),
        ("qrels/test.tsv", 2, "q0\td99\t1", "test.tsv:2: document 'd99' is judged but not in the data"),
        ("qrels/test.tsv", 2, "q9\td0\t1", "test.tsv:2: query 'q9' is judged but not in the data"),
        ("qrels/test.tsv", 3, "q0\td0\t2", "test.tsv:3: query 'q0' and document 'd0' were judged before"),
        ("qrels/test.tsv", 2, "q0\td0\tyes", "test.tsv:2: the gain 'yes' is not a whole number"),
    ],
)
def test_damaged_retrieval_files_are_named_with_their_line(
    tmp_path: Path, file: str, line: int, text: str, message: str
) -> None:
    _change(write_beir(tmp_path) / file, line, text)
    with pytest.raises(DataError, match=message):
        read_beir(tmp_path)


@pytest.mark.parametrize("name", ["corpus.jsonl.gz", "queries.jsonl", "qrels/test.tsv"])
def test_retrieval_files_that_are_missing_empty_or_not_text_are_named(tmp_path: Path, name: str) -> None:
    path = write_beir(tmp_path) / name
    content = path.read_bytes()
    for damaged, message in (
        (b"", "the file is empty" if "jsonl" in name else "no query has a relevant document"),
        (content[: len(content) // 2], "damaged gzip data" if ".gz" in name else None),
        (
            content[:40] + bytes([255] * 9) + content[49:],
            "damaged gzip data" if ".gz" in name else "invalid UTF-8",
        ),
    ):
        path.write_bytes(gzip.compress(b"") if not damaged and ".gz" in name else damaged)
        if message:
            with pytest.raises(DataError, match=rf"{path.name}.*{message}"):
                read_beir(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=f"no {path.name.removesuffix('.gz')}|{path.name}: no such file"):
        read_beir(tmp_path)


def test_what_other_programs_write_is_read_all_the_same(tmp_path: Path) -> None:
    """Byte order marks, Windows' line ends, a title that is null, a judgement that is repeated."""
    expected = read_beir(write_beir(tmp_path / "set"))
    for name in ("queries.jsonl", "qrels/test.tsv"):
        path = tmp_path / "set" / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    qrels = tmp_path / "set" / "qrels/test.tsv"
    qrels.write_bytes(b"\xef\xbb\xbf" + qrels.read_bytes().split(b"\n", 1)[1] + b"q0\td0\t1\r\n")
    with gzip.open(tmp_path / "set" / "corpus.jsonl.gz", "at") as file:
        file.write('{"_id": "d99", "title": null, "text": "of no class 9."}\n')
    found = read_beir(tmp_path / "set")
    assert (found.gains, found.queries) == (expected.gains, expected.queries)
    assert found.documents == expected.documents | {"d99": "of no class 9."}


def test_a_retrieval_split_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"splits in .*: test"):
        read_beir(write_beir(tmp_path), "dev")


@pytest.mark.parametrize(
    ("name", "content", "check"),
    [
        ("a.tsv", "1\ta\tb\n0\tc\td\n", lambda found: found.is_binary and found.second == ("b", "d")),
        ("a.tsv", "x\ta\ny\tb\nx\tc\n", lambda found: found.labels == ("x", "y", "x") and not found.second),
        ("a.csv", 'text1,text2,score\n"a, b",c,2.5\nd,e,1\n', lambda found: found.first == ("a, b", "d")),
        (
            "a.csv",
            "label,text\n1,a\n2,b,\n1,c\n",
            lambda found: found.labels == ("1", "2", "1") and not found.second,
        ),
        ("a.csv", "score,first,second\n3,a,b\n4,c,d\n", lambda found: found.second == ("b", "d")),
        ("a.tsv", "a\tb\t3\nc\td\t4\n", lambda found: found.gold_N.tolist() == [3, 4]),
        ("a.tsv", '1\t"a\tb\n0\tc"\td\n', lambda found: found.first == ('"a', 'c"')),
    ],
)
def test_judged_tables_are_read_with_and_without_header(
    tmp_path: Path, name: str, content: str, check: Callable
) -> None:
    (tmp_path / name).write_text(content)
    assert check(read_judged(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\ta\tb\nmuch\tc\td\n", "a.tsv:2: the score 'much' is not a number"),
        ("much\tx\ty\n1\tc\td\n", "not a number .of a header, the names must be known: score, text1, text2"),
        ("1\ta\tb\n1\tc\n", "a.tsv:2: 2 columns where the first row has 3"),
        ("1\ta\tb\n1\tc\td\te\n", "a.tsv:2: 4 columns where the first row has 3"),
        ("1\ta\tb\n1\t \td\n", "a.tsv:2: an empty text"),
        ("x\ta\n\tb\n", "a.tsv:2: an empty label"),
        ("x\ta\ny\tb\n", "a.tsv: 2 different texts for 2 labels: too few to group"),
        ("x\ta\nx\ta\ny\ta\n", "a.tsv: 1 different texts for 2 labels"),
        ("a\n", "a.tsv:1: 1 columns and no header"),
        ("", "no rows"),
        ("1\ta\tb\n", "1 rows; at least two"),
        ("1\ta\tb\n1.0\tc\td\n", "a.tsv: all 2 pairs have the same score"),
        ("x\ta\nx\tb\n", "a.tsv: all 2 texts have the same label"),
    ],
)
def test_damaged_tables_are_named_with_their_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_judged(tmp_path / "a.tsv")


def test_a_comma_without_quotes_cuts_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label,text\nx,first\ny,so, it goes on\nx,third\n")
    with pytest.raises(
        DataError, match=r"a\.csv:3: 3 columns where the first row has 2. A text with a comma"
    ):
        read_judged(tmp_path / "a.csv")


def test_an_open_quote_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text1,text2,score\na,b,1\n"c,d,2\n')
    with pytest.raises(DataError, match=r"a\.csv:3: .* Is a quote left open"):
        read_judged(tmp_path / "a.csv")


def test_judgements_without_a_header_lose_no_row(tmp_path: Path) -> None:
    qrels = write_beir(tmp_path / "set") / "qrels/test.tsv"
    with_header = read_beir(tmp_path / "set").gains
    qrels.write_text(qrels.read_text().split("\n", 1)[1])
    assert read_beir(tmp_path / "set").gains == with_header


def test_a_retrieval_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data folder not found"):
        read_beir(tmp_path / "nowhere")


def test_a_class_too_small_for_the_folds_is_a_problem_and_the_others_run(tmp_path: Path) -> None:
    write_transfer(tmp_path)
    (tmp_path / "CR/custrev.pos").write_text("only one of class 1.\n")
    found = evaluate(random_directions(), ["CR", "SST2"], tmp_path)
    assert [result.task for result in found.results] == ["SST2"]
    assert "class 1 has 1 rows, too few for 10 folds" in found.problems[0].message
    assert found.exit_code == 3


@pytest.mark.parametrize("protocol", ["crosslingual", "senteval"])
def test_only_protocols_of_sts_can_be_chosen_for_it(tmp_path: Path, protocol: str) -> None:
    with pytest.raises(UsageError, match=r"Known: senteval-all, senteval-mean$"):
        evaluate(random_directions(), ["STS-B"], write_benchmark(tmp_path).parent, protocol=protocol)


def test_pairs_and_labels_are_not_taken_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\ta\tb\n0\tc\td\n")
    with pytest.raises(DataError, match="expected one text and a label per row, found 2"):
        read_judged(tmp_path / "a.tsv", pairs=False)


def _change(path: Path, line: int, text: str) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[line - 1] = text
    path.write_text("\n".join(lines), encoding="utf-8")
