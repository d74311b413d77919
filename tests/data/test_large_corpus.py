"""A corpus that passes what memory may hold is the one that memory would have made, and opens in a moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrapose.data import build, corpus_folder, rowfile, source_stamps, spill
from contrapose.data.corpus import Corpus, build_corpus
from contrapose.data.duplicates import SeenRows
from contrapose.data.framing import digests_of, framed, framed_rows, joined
from contrapose.data.normalised import normalise_all
from contrapose.data.row_bits import RowBits
from contrapose.data.rowfile import text_schema
from contrapose.data.text import normalise
from contrapose.errors import CorruptFile, StorageError


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROWS_IN_MEMORY", 60)
    monkeypatch.setattr("contrapose.data.judging.BATCH_ROWS", 25)


def write_pairs(folder: Path) -> list[Path]:
    """Two files of pairs, three of each seven rows repeated, across and within the files."""
    rng = np.random.default_rng(4)
    paths = []
    for name in ("a.csv", "b.csv"):
        rows = [f"question {n},answer {n} é" for n in rng.integers(0, 400, 500)]
        (folder / name).write_text("anchor,positive\n" + "\n".join(rows) + "\n \n")
        paths.append(folder / name)
    return paths


def all_of(built: Corpus) -> tuple[object, ...]:
    return (
        built.take(range(len(built))),
        built.fingerprint,
        built.statistics,
        built.starts,
        built.sources_fingerprint,
    )


@pytest.mark.parametrize("deduplicate", [True, False])
def test_rows_that_waited_on_disk_make_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deduplicate: bool
) -> None:
    paths = write_pairs(tmp_path)
    in_memory = build_corpus(paths, tmp_path / "one", deduplicate=deduplicate)
    monkeypatch.setattr(build, "ROWS_IN_MEMORY", 60)
    monkeypatch.setattr("contrapose.data.judging.BATCH_ROWS", 25)
    spilled: list[int] = []
    add = spill.Spill.add
    monkeypatch.setattr(
        spill.Spill, "add", lambda self, batch, *of: (spilled.append(1), add(self, batch, *of))
    )
    on_disk = build_corpus(paths, tmp_path / "two", deduplicate=deduplicate)
    assert bool(spilled) == deduplicate
    assert all_of(on_disk) == all_of(in_memory)
    assert on_disk.starts[1] > 0
    assert in_memory.statistics.duplicates > 300 if deduplicate else not in_memory.statistics.duplicates


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.integers(0, 300), min_size=1, max_size=700))
def test_what_is_kept_is_what_a_python_set_keeps(
    tmp_path: Path, little_memory: None, values: list[int]
) -> None:
    (tmp_path / "a.txt").write_text("".join(f"text {value}\n" for value in values))
    built = build_corpus(tmp_path / "a.txt", tmp_path / "corpus", reuse=False)
    assert built.take(range(len(built)))["text"] == [f"text {value}" for value in dict.fromkeys(values)]


def test_a_full_disk_is_told_before_it_is_filled(
    tmp_path: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pairs(tmp_path)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(5_000))
    with pytest.raises(StorageError, match=r"needs about .* GiB are free there: free some space"):
        build_corpus(paths, tmp_path / "corpus")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_a_failure_while_rows_wait_leaves_nothing(
    tmp_path: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pairs(tmp_path)

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(spill.Spill, "kept", fail)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(paths, tmp_path / "corpus")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.csv", "b.csv"]


KILLED = """
import os, signal, sys
from contrapose.data import build, spill
from contrapose.data.corpus import build_corpus
build.ROWS_IN_MEMORY = 1_000
add = spill.Spill.add
def counted(self, batch, *of):
    add(self, batch, *of)
    counted.rows += batch.num_rows
    if counted.rows > 30_000:
        os.kill(os.getpid(), signal.SIGKILL)
counted.rows = 0
spill.Spill.add = counted
build_corpus(sys.argv[1], sys.argv[2])
"""


@pytest.mark.crash
def test_a_build_that_is_killed_while_rows_wait_leaves_nothing_after_the_next(tmp_path: Path) -> None:
    source, place = tmp_path / "a.txt", tmp_path / "place"
    source.write_text("".join(f"text {n % 45_000}\n" for n in range(60_000)))
    place.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(source), str(place / "corpus")], timeout=120)
    assert killed.returncode == -signal.SIGKILL, "the kill fell while rows waited"
    left = list(place.rglob("*"))
    assert all(".tmp" in str(each) for each in left)
    assert not [each for each in left if each.is_file() and each.stat().st_size > 5 << 20], (
        "the spill is gone"
    )
    built = build_corpus(source, place / "corpus")
    assert len(built) == 45_000
    assert [each.name for each in place.iterdir()] == ["corpus"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(
            st.one_of(
                st.sampled_from(" \t\n\r\x00\x1c\x85\xa0\u2028\u3000\ufeffe\u0301\u0323a\u1100\u1161"),
                st.characters(exclude_categories=["Cs"]),
            ),
            max_size=12,
        ),
        max_size=150,
    )
)
def test_texts_made_normal_together_are_those_made_normal_alone(texts: list[str]) -> None:
    assert normalise_all(texts) == [normalise(text) for text in texts]


def test_long_runs_of_marks_are_cut_together_as_alone() -> None:
    texts = ["plain", "x" * 600 + "\u0301\u0323" * 300, unicodedata.normalize("NFC", "e\u0301" * 600)]
    assert normalise_all(texts) == [normalise(text) for text in texts]
    assert len(normalise_all(texts)[1]) < 700


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=20), st.integers(0, 5))
def test_rows_are_framed_together_as_alone(rows: list[tuple[str, str]], skipped: int) -> None:
    import pyarrow as pa

    columns = [pa.array([row[side] for row in rows], pa.string()) for side in (0, 1)]
    batch = pa.record_batch(columns, schema=text_schema(["anchor", "positive"])).slice(skipped)
    expected = [framed(row) for row in rows[skipped:]]
    assert framed_rows(batch).to_pylist() == expected
    assert bytes(joined(framed_rows(batch))) == b"".join(expected)
    assert SeenRows().first_seen(digests_of(framed_rows(batch))).sum() == len(set(expected))


@given(st.sets(st.integers(0, 2_000)), st.integers(0, 2_100), st.integers(0, 200))
def test_row_bits_are_a_set(rows: set[int], start: int, size: int) -> None:
    bits = RowBits()
    bits.set(np.array(sorted(rows), dtype=np.int64))
    assert bits.between(start, start + size).tolist() == [row in rows for row in range(start, start + size)]
    some = [row for row in rows if row % 2]
    bits.clear(np.array(some, dtype=np.int64))
    assert np.flatnonzero(bits.between(0, 2_001)).tolist() == sorted(rows - set(some))


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty batches, which count as too large to be verified as a whole; and its file, too large to be read again."""
    monkeypatch.setattr("contrapose.data.judging.BATCH_ROWS", 50)
    monkeypatch.setattr(corpus_folder, "VERIFIED_WHOLE", 1_000)
    monkeypatch.setattr(source_stamps, "LARGE", 1_000)
    (tmp_path / "a.txt").write_text("".join(f"text {n}\n" for n in range(1_000)))
    build_corpus(tmp_path / "a.txt", tmp_path / "corpus")
    return tmp_path


def test_a_damaged_batch_of_a_large_corpus_is_found_when_it_is_read_and_not_before(large: Path) -> None:
    path = large / "corpus" / "corpus.arrow"
    data = bytearray(path.read_bytes())
    data[data.index(b"text 512") + 5] ^= 1
    path.write_bytes(data)
    opened = Corpus.open(large / "corpus", verify=True)
    assert opened.take([499, 550]) == {"text": ["text 499", "text 550"]}
    with pytest.raises(CorruptFile, match="its rows 500 to 549 are not what was written"):
        opened.take([999, 530])
    with pytest.raises(CorruptFile, match="500 to 549"):
        opened.held_out(10, seed=0)


@pytest.mark.parametrize("name", ["blocks.npy", "corpus.json"])
def test_the_small_files_of_a_large_corpus_are_verified_on_opening(large: Path, name: str) -> None:
    path = large / "corpus" / name
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile):
        Corpus.open(large / "corpus", verify=True)


def test_a_large_corpus_is_opened_without_reading_its_rows(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[int] = []
    check = rowfile.RowFile._check
    monkeypatch.setattr(
        rowfile.RowFile, "_check", lambda self, number, of: (checked.append(number), check(self, number, of))
    )
    opened = Corpus.open(large / "corpus", verify=True)
    assert len(opened) == 1_000
    assert not checked
    for _ in range(3):
        opened.take([0, 999, 999, 60])
    assert sorted(checked) == [0, 1, 19]


def test_large_files_are_not_read_again_until_they_are_touched(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    whole = source_stamps.sources_fingerprint
    monkeypatch.setattr(
        source_stamps, "sources_fingerprint", lambda names: (read.append(names), whole(names))[1]
    )
    before = (large / "corpus" / "corpus.arrow").stat().st_ino
    build_corpus(large / "a.txt", large / "corpus")
    assert not read
    os.utime(large / "a.txt", ns=(1, 1))
    build_corpus(large / "a.txt", large / "corpus")
    assert len(read) == 1
    assert (large / "corpus" / "corpus.arrow").stat().st_ino == before, "touched, and still the same content"
    content = (large / "a.txt").read_bytes()
    (large / "a.txt").write_bytes(content.replace(b"text 7\n", b"text x\n"))
    assert build_corpus(large / "a.txt", large / "corpus").take([7]) == {"text": ["text x"]}


def test_corpora_without_checksums_of_batches_are_still_read(large: Path) -> None:
    """As an earlier version wrote them."""
    (large / "corpus" / "blocks.npy").unlink()
    opened = Corpus.open(large / "corpus")
    assert opened.take([530]) == {"text": ["text 530"]}


def test_small_corpora_keep_no_stamps(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    build_corpus(tmp_path / "a.txt", tmp_path / "corpus")
    assert "stamps" not in json.loads((tmp_path / "corpus" / "corpus.json").read_text())


def test_the_held_out_rows_are_those_of_the_smallest_hashes(large: Path) -> None:
    import hashlib

    from contrapose.seeds import derive

    opened = Corpus.open(large / "corpus")
    key = derive(5, "held-out").to_bytes(8, "little")
    hashes = [
        int.from_bytes(hashlib.blake2b(f"text {n}".encode(), digest_size=8, key=key).digest(), "little")
        for n in range(1_000)
    ]
    for count in (0, 1, 37, 999):
        assert opened.held_out(count, seed=5).tolist() == sorted(
            sorted(range(1_000), key=hashes.__getitem__)[:count]
        )
