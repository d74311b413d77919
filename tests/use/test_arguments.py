"""Which arguments of a search are files and which are queries: nothing mistyped becomes a query without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import DataError, UsageError
from contrapose.use.arguments import split_arguments


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    for name in ("a.txt", "b.txt", "notes/c.txt", "notes/d.md"):
        (tmp_path / name).write_text("text\n")


@pytest.mark.parametrize(
    ("arguments", "corpora"),
    [
        (["a.txt", "query"], 1),
        (["a.txt", "b.txt", "notes/c.txt", "query"], 3),
        (["a.txt", "notes", "one", "two"], 2),
        (["*.txt", "how do I renew it?"], 1),
        (["notes/**/*.txt", "-", "[brackets] are no glob here"], 2),
        (["a.txt", "TCP/IP", "and/or", "asyncio.run", "C*", "what is a/b testing?", "3.14"], 1),
        (["a.txt", "x" * 5000], 1),
        (["a.txt", "b.txt "], 1),
        (["a.txt", "notes "], 1),
    ],
)
def test_files_come_first_and_the_rest_are_queries(arguments: list[str], corpora: int) -> None:
    assert split_arguments(arguments) == (arguments[:corpora], arguments[corpora:])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.txt", "c.txt", "query"], "no such file or folder: c.txt"),
        (["a.txt", "notes/e.rst", "query"], "no such file or folder: notes/e.rst"),
        (["a.txt", "notes/cc.txt", "query"], "Did you mean 'notes/c.txt'"),
        (["a.txt", "b.tx", "query"], "Did you mean 'b.txt'"),
        (["a.txt", "*.jsonl", "query"], r"no such file or folder: \*\.jsonl"),
        (["a.txt", "missing/*.md", "query"], r"missing/\*\.md"),
        (["a.txt", "./missing", "query"], "./missing"),
        (["a.txt", "~/missing", "query"], "~/missing"),
        (["a.txt", "query", "my old notes.csv.gz"], "my old notes.csv.gz"),
        (["missing", "query"], "no such file or folder: missing"),
    ],
)
def test_a_mistyped_file_is_never_a_query(arguments: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        split_arguments(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.txt"], "write what to look for"),
        (["a.txt", "notes"], "the last one .'notes'. too.*\"notes \""),
        (["a.txt", "query", "b.txt"], "'b.txt' stands behind a query"),
        (["a.txt", "query", "-"], "'-' stands behind a query"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_said(arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split_arguments(arguments)
