"""Parquet files that are used where they lie give the rows that a copy of them gives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrapose.data import corpus_folder, index_build, shards
from contrapose.data.corpus import Corpus, build_corpus
from contrapose.errors import ContraposeError, CorruptFile, DataError, EmptyCorpus, TooManyBadRows, UsageError


def write_shards(folder: Path, texts: list[list[Any]], *, group: int = 40, name: str = "text") -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number, some in enumerate(texts):
        paths.append(folder / f"shard-{number}.parquet")
        table = pa.table({"id": pa.array(range(len(some))), name: pa.array(some, pa.string())})
        pq.write_table(table, paths[-1], row_group_size=group)
    return paths


def some_texts() -> list[list[Any]]:
    """Three files with repetitions among and within them, blanks, nulls, text that is not normal, and an empty one."""
    rng = np.random.default_rng(2)
    made: list[list[Any]] = []
    for size in (150, 0, 301, 77):
        rows: list[Any] = [f"text  {n} e\u0301 " for n in rng.integers(0, 300, size)]
        for place in rng.integers(0, max(size, 1), size // 10):
            rows[place] = ["", None, " \t", "x" * 60][place % 4]
        made.append(rows)
    return made


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_shards(tmp_path / "shards", some_texts())


@pytest.mark.parametrize("deduplicate", [True, False])
@pytest.mark.parametrize("rows_in_memory", [50, 1 << 20])
def test_rows_in_place_are_those_of_a_copy(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deduplicate: bool, rows_in_memory: int
) -> None:
    monkeypatch.setattr(index_build, "ROWS_IN_MEMORY", rows_in_memory)
    monkeypatch.setattr("contrapose.data.judging.BATCH_ROWS", 30)
    options: dict[str, Any] = {"deduplicate": deduplicate, "max_characters": 50}
    copy = build_corpus(files, tmp_path / "copy", **options)
    here = build_corpus(files, tmp_path / "here", in_place=True, **options)
    assert here.statistics == copy.statistics
    assert (len(here), here.columns, here.starts) == (len(copy), copy.columns, copy.starts)
    assert here.take(range(len(here))) == copy.take(range(len(copy)))
    ids = np.random.default_rng(0).integers(0, len(copy), 200)
    assert here.take(ids) == copy.take(ids)
    assert here.held_out(20, seed=1).tolist() == copy.held_out(20, seed=1).tolist()
    assert here.statistics.duplicates > 100 if deduplicate else here.statistics.duplicates == 0
    assert here.statistics.quarantined
    assert not (tmp_path / "here" / "corpus.arrow").exists()


def test_a_folder_a_glob_and_pairs_are_used_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(2):
        columns = {name: [f"{name} {number} {row}" for row in range(30)] for name in ("answer", "question")}
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", row_group_size=7)
    for source in (folder, str(folder / "*.parquet")):
        here = build_corpus(source, tmp_path / "here", columns=["question", "answer"], in_place=True)
        assert here.take([31]) == {"anchor": ["question 1 1"], "positive": ["answer 1 1"]}


def test_row_groups_are_unpacked_once_while_they_are_used(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_build, "WINDOW_BYTES", 2_000)
    here = build_corpus(files, tmp_path / "here", in_place=True).in_place
    assert here is not None
    unpacked: list[int] = []
    unpack = shards.ShardRows._unpack
    monkeypatch.setattr(
        shards.ShardRows, "_unpack", lambda self, number: (unpacked.append(number), unpack(self, number))[1]
    )
    for _ in range(3):
        here.take([0, 1, 45, 2])
    assert unpacked == [0, 1]
    list(here.batches())
    held = sum(int(here.groups["bytes"][number]) for number in here._unpacked)
    assert len(set(unpacked)) > len(here._unpacked) > 0
    assert held <= 2 * here.window_bytes


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["a", "b", " b", "", None, "ü", "c  d"]), max_size=25), max_size=4
    ),
    group=st.integers(1, 9),
)
def test_any_files_in_place_are_those_of_a_copy(tmp_path: Path, texts: list[list[Any]], group: int) -> None:
    shutil.rmtree(tmp_path / "shards", ignore_errors=True)
    paths = write_shards(tmp_path / "shards", [["one"], *texts], group=group)
    copy = build_corpus(paths, tmp_path / "copy", max_bad_share=1)
    here = build_corpus(paths, tmp_path / "here", max_bad_share=1, in_place=True)
    assert here.take(range(len(here))) == copy.take(range(len(copy)))
    assert here.statistics == copy.statistics


def changed(paths: list[Path], how: str) -> None:
    if how == "cut":
        paths[2].write_bytes(paths[2].read_bytes()[:-300])
    elif how == "gone":
        paths[2].unlink()
    elif how == "not parquet":
        paths[2].write_bytes(b"text\n" * 100)
    elif how == "damaged page":
        data = bytearray(paths[2].read_bytes())
        data[60:300] = bytes(240)
        paths[2].write_bytes(data)
    elif how == "other columns":
        pq.write_table(pa.table({"anchor": ["a"], "positive": ["b"]}), paths[2])
    elif how == "no text":
        pq.write_table(pa.table({"text": [1, 2]}), paths[2])
    elif how == "lists":
        pq.write_table(pa.table({"anchor": ["a"], "positive": [["b", "c"]]}), paths[2])
    elif how == "all bad":
        for path in paths:
            pq.write_table(pa.table({"text": pa.array([None] * 50, pa.string())}), path)
    elif how == "all empty":
        for path in paths:
            pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("cut", DataError, "not a parquet file, or it breaks off"),
        ("gone", DataError, "no such file"),
        ("not parquet", DataError, "not a parquet file"),
        ("damaged page", DataError, "is damaged from row .* leave --in-place out"),
        ("other columns", DataError, "gives the columns anchor, positive, but .*shard-0.parquet gave text"),
        ("no text", DataError, "holds int64, not texts"),
        ("lists", DataError, "lists of texts, which are not used where they lie"),
        ("all bad", TooManyBadRows, "null"),
        ("all empty", EmptyCorpus, "are all empty"),
    ],
)
def test_files_that_cannot_be_used_are_refused_and_leave_nothing(
    files: list[Path], tmp_path: Path, how: str, kind: type[ContraposeError], words: str
) -> None:
    changed(files, how)
    with pytest.raises(kind, match=words):
        build_corpus(files, tmp_path / "here", in_place=True)
    assert not (tmp_path / "here").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["shards"]


@pytest.mark.parametrize("name", ["a.txt", "a.parquet.gz"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("one\n")
    with pytest.raises(UsageError, match="is none: leave --in-place out"):
        build_corpus(tmp_path / name, tmp_path / "here", in_place=True)


def test_a_file_of_another_size_is_refused_on_opening(files: list[Path], tmp_path: Path) -> None:
    build_corpus(files, tmp_path / "here", in_place=True)
    pq.write_table(pa.table({"text": ["another"]}), files[3])
    with pytest.raises(CorruptFile, match=r"shard-3.parquet has .* bytes, and had"):
        Corpus.open(tmp_path / "here")
    files[3].unlink()
    with pytest.raises(CorruptFile, match=r"shard-3.parquet cannot be read"):
        Corpus.open(tmp_path / "here")


def test_a_file_that_changes_while_it_is_in_use_is_an_error(files: list[Path], tmp_path: Path) -> None:
    here = build_corpus(files, tmp_path / "here", in_place=True)
    here.take([0])
    files[0].write_bytes(files[0].read_bytes())
    with pytest.raises(DataError, match=r"shard-0.parquet was changed while it was in use"):
        here.take([60])


def test_a_row_group_that_cannot_be_unpacked_is_named(files: list[Path], tmp_path: Path) -> None:
    """A disk that loses bytes later: the size is the same."""
    build_corpus(files, tmp_path / "here", in_place=True)
    changed(files, "damaged page")
    here = Corpus.open(tmp_path / "here")
    with pytest.raises(CorruptFile, match=r"row group \d+ of .*shard-2.parquet cannot be unpacked"):
        list(here._rows.batches())


def test_the_same_files_are_not_indexed_again_and_changed_ones_are(files: list[Path], tmp_path: Path) -> None:
    before = build_corpus(files, tmp_path / "here", in_place=True)
    inode = (tmp_path / "here" / "kept.npy").stat().st_ino
    again = build_corpus(files, tmp_path / "here", in_place=True)
    assert (tmp_path / "here" / "kept.npy").stat().st_ino == inode
    files[0].write_bytes(files[0].read_bytes())
    touched = build_corpus(files, tmp_path / "here", in_place=True)
    assert (tmp_path / "here" / "kept.npy").stat().st_ino != inode
    assert before.fingerprint == again.fingerprint == touched.fingerprint
    assert build_corpus(files, tmp_path / "here").in_place is None, "a copy is asked for"


@pytest.mark.parametrize("name", ["kept.npy", "groups.npy", "corpus.json"])
def test_a_damaged_index_is_told(files: list[Path], tmp_path: Path, name: str) -> None:
    build_corpus(files, tmp_path / "here", in_place=True)
    path = tmp_path / "here" / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorruptFile):
        Corpus.open(tmp_path / "here", verify=True)
    path.unlink()
    with pytest.raises((CorruptFile, DataError)):
        Corpus.open(tmp_path / "here")


def test_a_full_disk_is_told_before_rows_wait(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from contrapose.errors import StorageError

    monkeypatch.setattr(index_build, "ROWS_IN_MEMORY", 50)
    monkeypatch.setattr("contrapose.data.judging.BATCH_ROWS", 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(StorageError, match="comparing the rows needs about"):
        build_corpus(files, tmp_path / "here", in_place=True)
    assert corpus_folder.KEPT not in [each.name for each in tmp_path.rglob("*")]
