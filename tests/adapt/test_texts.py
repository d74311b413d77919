"""What the user names becomes texts by kind: lines, tables, documents; too little, and mixed kinds, are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contrapose.adapt.texts import DOCUMENTS, FEWEST_ROWS, PAIRS, SHORT, read_texts
from contrapose.errors import DataError, UsageError
from contrapose.listening import Listener

LONG = " ".join(["tide"] * 60)


def lines(path: Path, count: int, text: str = "the tide comes in at") -> str:
    path.write_text("".join(f"{text} {number}\n" for number in range(count)), encoding="utf-8")
    return str(path)


def titled(path: Path, count: int, names: tuple[str, str] = ("title", "text")) -> str:
    rows = [
        dict(zip(names, (f"Harbour {n}", f"The harbour {n} lies in the north."), strict=True))
        for n in range(count)
    ]
    path.write_text("".join(json.dumps({"_id": "x", **row}) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def found(*paths: str, columns: tuple[str, ...] | None = None) -> dict[str, int]:
    return {texts.kind: len(texts) for texts in read_texts(paths, columns, Listener()).texts}


def test_lines_are_short_texts_and_long_lines_documents(tmp_path: Path) -> None:
    assert found(lines(tmp_path / "a.txt", 300)) == {SHORT: 300}
    assert found(lines(tmp_path / "b.txt", 300, LONG)) == {DOCUMENTS: 300}


@pytest.mark.parametrize(
    "names", [("title", "text"), ("question", "answer"), ("anchor", "positive"), ("query", "pos")]
)
def test_columns_that_belong_together_are_pairs(tmp_path: Path, names: tuple[str, str]) -> None:
    assert found(titled(tmp_path / "a.jsonl", 250, names)) == {PAIRS: 250}


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = titled(tmp_path / "a.jsonl", 250, ("subject", "body"))
    assert found(path, columns=("subject", "body")) == {PAIRS: 250}
    assert found(path, columns=("body",)) == {SHORT: 250}
    with pytest.raises(UsageError, match="has no column heading"):
        found(path, columns=("heading",))


def test_documents_give_pairs_and_paragraphs(tmp_path: Path) -> None:
    folder = tmp_path / "handbook"
    folder.mkdir()
    for number in range(220):
        page = f"# Harbour number {number}\n\nThe harbour {number} lies in the north and has a light on its pier.\n"
        (folder / f"{number}.md").write_text(page, encoding="utf-8")
    assert found(str(folder)) == {PAIRS: 220, SHORT: 220}


def test_tables_among_documents_are_read_as_well(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "read.me.md").write_text(
        "# About this folder\n\nWhat is in this folder, in one short paragraph of words.\n"
    )
    titled(folder / "rows.jsonl", 230)
    assert found(str(folder))[PAIRS] == 231


def test_runs_below_a_folder_are_no_text_and_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    (folder / "runs").mkdir(parents=True)
    (folder / "about.md").write_text(
        "# About this folder\n\nWhat is in this folder, in one short paragraph.\n"
    )
    (folder / "broken.md").write_bytes(b"\xff\xfe\xff")
    titled(folder / "rows.jsonl", 230)
    (folder / "runs" / "run.json").write_text("{}")
    titled(folder / "runs" / "metrics.jsonl", 500)
    read = read_texts([str(folder)], None, Listener())
    assert {texts.kind: len(texts) for texts in read.texts} == {PAIRS: 231}
    assert read.malformed == 1
    assert "1 files left out: not UTF-8" in read.notices[0]


def test_of_a_large_table_some_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contrapose.adapt import texts

    monkeypatch.setattr(texts, "MOST_ROWS", 210)
    assert found(lines(tmp_path / "a.txt", 300)) == {SHORT: 210}


def test_equal_texts_count_once_and_few_of_another_kind_are_no_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    same = [f"the tide comes in at {number}" for number in range(250)] * 2
    path.write_text("\n".join([*same, LONG, LONG + " ebb"]), encoding="utf-8")
    read = read_texts([str(path)], None, Listener())
    assert {texts.kind: len(texts) for texts in read.texts} == {SHORT: 252}
    assert read.notices == ["250 of the rows were there before: each text counts once"]


def test_texts_of_two_files_count_once(tmp_path: Path) -> None:
    twice = [lines(tmp_path / "a.txt", 300), lines(tmp_path / "b.txt", 310)]
    read = read_texts(twice, None, Listener())
    assert {texts.kind: len(texts) for texts in read.texts} == {SHORT: 310}
    assert read.notices == ["300 of the rows were there before: each text counts once"]


def test_kinds_are_told_apart_and_a_small_one_is_left_aside(tmp_path: Path) -> None:
    both = read_texts([lines(tmp_path / "a.txt", 300), titled(tmp_path / "b.jsonl", 250)], None, Listener())
    assert {texts.kind: len(texts) for texts in both.texts} == {PAIRS: 250, SHORT: 300}
    assert both.notices == [
        "the text is of several kinds, which are learned from apart: 250 pairs of title and text and 300 sentences or "
        "short texts"
    ]
    few = read_texts([lines(tmp_path / "a.txt", 300), titled(tmp_path / "c.jsonl", 30)], None, Listener())
    assert [texts.kind for texts in few.texts] == [SHORT]
    assert "30 pairs of title and text are left aside" in few.notices[0]


def test_too_little_is_refused_with_what_would_do(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="199 rows are too little to adapt to \\(200 are needed\\): give more text"
    ):
        found(lines(tmp_path / "a.txt", FEWEST_ROWS - 1))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises((DataError, UsageError), match=r"nothing\.txt"):
        found(str(tmp_path / "nothing.txt"))
