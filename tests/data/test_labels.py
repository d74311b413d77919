"""A column of classes beside the texts: read from every format, stored with the corpus, and never taken for a text."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.errors import DataError, EmptyCorpus, UsageError

ROWS = [("where is my card", "card"), ("i lost my phone", "phone"), ("the card was eaten", "card")]


def write(folder: Path, kind: str, *, header: bool = True) -> Path:
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps({"text": text, "intent": label}) + "\n" for text, label in ROWS))
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, labels = zip(*ROWS, strict=True)
        pq.write_table(pa.table({"intent": list(labels), "text": list(texts)}), path)
    else:
        separator = {"csv": ",", "tsv": "\t"}[kind]
        lines = [("text", "intent")] if header else []
        path.write_text("".join(separator.join(row) + "\n" for row in [*lines, *ROWS]))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_texts_and_labels_of_every_format(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    corpus = build_corpus(path, tmp_path / "corpus", label_column="intent")
    again = Corpus.open(tmp_path / "corpus", verify=True)
    for each in (corpus, again):
        assert each.columns == ("text",)
        assert each.has_labels
        assert each.take([2, 0]) == {"text": [ROWS[2][0], ROWS[0][0]]}
        assert each.labels() == [label for _text, label in ROWS]
    plain = build_corpus(path, tmp_path / "plain", columns=["text"])
    assert not plain.has_labels
    assert plain.fingerprint != corpus.fingerprint
    assert "label_column" not in plain.settings, (
        "corpora without labels are what they were before there were any"
    )
    with pytest.raises(UsageError, match="no labels: name the column"):
        plain.labels()


def test_positions_name_columns_of_a_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for text, label in ROWS))
    corpus = build_corpus(path, tmp_path / "corpus", columns=["2"], label_column="1")
    assert corpus.take([0]) == {"text": [ROWS[0][0]]}
    assert corpus.labels() == [label for _text, label in ROWS]


def test_whole_numbers_are_labels_and_other_things_are_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    values = [3, True, "3", 1.5, None, ["a"]]
    path.write_text(
        "".join(json.dumps({"text": f"row {n}", "label": v}) + "\n" for n, v in enumerate(values))
    )
    corpus = build_corpus(path, tmp_path / "corpus", label_column="label")
    assert corpus.labels() == ["3", "True", "3"]
    assert corpus.statistics.by_reason == {"wrong type": 3}
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a b", "c d"], "label": [7, 8]}), tmp_path / "numbers.parquet")
    assert build_corpus(
        tmp_path / "numbers.parquet", tmp_path / "numbers", label_column="label"
    ).labels() == ["7", "8"]


def test_a_row_without_label_is_left_out_and_a_label_needs_no_words(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\none two three,a\nfour five six,\none,b\none two three,b\none two three,a\n")
    corpus = build_corpus(path, tmp_path / "corpus", label_column="label", min_words=2)
    assert corpus.labels() == ["a", "b"], "one text of two classes is two rows"
    account = corpus.statistics
    assert (account.unlabelled, account.too_short, account.duplicates, account.kept) == (1, 1, 1, 2)
    assert account.read == account.kept + account.unlabelled + account.too_short + account.duplicates
    assert "unlabelled   1" in account.lines()
    assert Corpus.open(tmp_path / "corpus").statistics == account


def test_rows_that_all_lack_a_label_are_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\none two three,\nfour five six,\n")
    with pytest.raises(EmptyCorpus, match=r"of 2 read from \S*, 2 without a label in column 'label'$"):
        build_corpus(path, tmp_path / "corpus", label_column="label")


def test_pairs_keep_their_columns_and_the_split_goes_by_the_first_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"query": f"q {n}", "pos": f"p {n}", "topic": n % 3} for n in range(30)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = build_corpus(path, tmp_path / "corpus", label_column="topic")
    assert corpus.columns == ("anchor", "positive")
    plain = build_corpus(path, tmp_path / "plain")
    for ours, theirs in zip(corpus.split_held_out(5, 1), plain.split_held_out(5, 1), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "content", "columns", "words"),
    [
        ("a.txt", "one\ntwo\n", None, "has one text per line, and no column intent for the labels"),
        (
            "a.csv",
            "text,label\none,a\n",
            None,
            "has no column intent for the labels. Its columns: text, label",
        ),
        ("a.csv", "one\ntwo\n", None, "has no column intent for the labels"),
        ("a.jsonl", '{"text": "one"}\n', None, "has no column intent for the labels"),
        ("a.jsonl", '"one"\n"two"\n', None, "has no column intent for the labels. Its columns: none"),
        ("a.csv", "a,b,intent\none,two,c\n", None, "which columns are the texts"),
        ("a.csv", "a,intent\none,c\n", ["intent"], "cannot be a text and the label"),
    ],
)
def test_a_column_that_is_not_there_is_named(
    tmp_path: Path, name: str, content: str, columns: list[str] | None, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises((UsageError, DataError), match=words):
        build_corpus(tmp_path / name, tmp_path / "corpus", columns=columns, label_column="intent")
    assert not (tmp_path / "corpus").exists()
