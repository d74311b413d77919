"""Runs on Parquet files that are used where they lie: resumed bit for bit, and refused where the files changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contrapose.data import index_build
from contrapose.data.corpus import Corpus
from contrapose.errors import ResumeRefused, UsageError
from contrapose.report.own_text import split_of
from contrapose.train import split_of_run
from contrapose.train.run_folder import open_run
from tests.train.runs import NUM_ROWS, Killed, Place, Witness, outcome, run_tiny, step_rows, texts

#: Texts of a run are short: a window of three row groups.
WINDOW = 2_500


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The corpus of the place in three files of two row groups, with some rows twice."""
    monkeypatch.setattr(index_build, "WINDOW_BYTES", WINDOW)
    folder = tmp_path / "shards"
    folder.mkdir()
    rows = texts(NUM_ROWS)
    for number in range(3):
        some = [*rows[40 * number : 40 * number + 40], rows[0], f" {rows[7]} "]
        pq.write_table(pa.table({"text": some}), folder / f"{number}.parquet", row_group_size=21)
    return folder


def run(place: Place, shards: Path, out: Path, **options: Any) -> Any:
    return run_tiny(place, out, **{"corpus": shards, "in_place": True, "held_out_rows": 8, **options})


def test_it_trains_holds_out_what_a_copy_holds_out_and_copies_no_text(
    place: Place, shards: Path, tmp_path: Path
) -> None:
    here = run(place, shards, tmp_path / "here")
    copy = run_tiny(place, tmp_path / "copy", corpus=shards, held_out_rows=8)
    assert len(step_rows(here.folder)) == 12
    assert outcome(here.folder) != outcome(copy.folder), "another order of rows"
    assert not list((here.folder / "cache" / "corpus").glob("*.arrow"))
    corpora = [Corpus.open(each.folder / "cache" / "corpus") for each in (here, copy)]
    assert len(corpora[0]) == len(corpora[1]) == NUM_ROWS
    splits = [split_of(open_run(each.folder), of) for each, of in zip((here, copy), corpora, strict=True)]
    assert all(np.array_equal(*both) for both in zip(*splits, strict=True))
    assert len(splits[0][1]) == 8


@pytest.mark.parametrize("kill_at", [4, 7, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    place: Place, shards: Path, tmp_path: Path, kill_at: int
) -> None:
    options: dict[str, Any] = {"save_every": 3, "steps": 20}  # more than an epoch
    whole = run(place, shards, tmp_path / "whole", **options)
    with pytest.raises(Killed):
        run(place, shards, tmp_path / "cut", listener=Witness(kill_at=kill_at), **options)
    witness = Witness()
    run(place, shards, tmp_path / "cut", resume=True, listener=witness, **options)
    assert 1 < witness.steps[0] <= kill_at
    assert outcome(tmp_path / "cut") == outcome(whole.folder)


def stopped(place: Place, shards: Path, out: Path) -> None:
    with pytest.raises(Killed):
        run(place, shards, out, listener=Witness(kill_at=7))


def test_files_that_changed_since_the_start_are_refused_by_name(
    place: Place, shards: Path, tmp_path: Path
) -> None:
    stopped(place, shards, tmp_path / "run")
    path = shards / "1.parquet"
    before = path.read_bytes()
    rows = [text[::-1] for text in texts(NUM_ROWS)[40:82]]
    pq.write_table(pa.table({"text": rows}), path, row_group_size=21)
    with pytest.raises(ResumeRefused, match=r"corpus files changed since the run was begun.*1\.parquet"):
        run(place, shards, tmp_path / "run", resume=True)
    data = bytearray(before)
    data[-5] ^= 1  # of the same size
    path.write_bytes(data)
    with pytest.raises(ResumeRefused, match=r"corpus files changed.*1\.parquet"):
        run(place, shards, tmp_path / "run", resume=True)
    path.write_bytes(before)
    run(place, shards, tmp_path / "run", resume=True)


def test_files_that_are_gone_are_refused_and_moved_ones_are_indexed_again(
    place: Place, shards: Path, tmp_path: Path
) -> None:
    stopped(place, shards, tmp_path / "run")
    whole = run(place, shards, tmp_path / "whole")
    shutil.move(shards, tmp_path / "moved")
    with pytest.raises(ResumeRefused, match=r"0\.parquet cannot be read.*Restore the corpus files"):
        run(place, shards, tmp_path / "run", resume=True)
    witness = Witness()
    run(place, tmp_path / "moved", tmp_path / "run", resume=True, listener=witness)
    assert any("it is built again from the files" in notice for notice in witness.notices)
    assert outcome(tmp_path / "run") == outcome(whole.folder)


def test_a_run_that_copied_cannot_go_on_in_place(place: Place, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "run", corpus=shards, listener=Witness(kill_at=7))
    with pytest.raises(ResumeRefused, match=r"data\.in_place was False and is True"):
        run_tiny(place, tmp_path / "run", corpus=shards, in_place=True, resume=True)


def test_a_run_of_a_version_that_knew_neither_this_nor_tiles_goes_on(place: Place, tmp_path: Path) -> None:
    import json

    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "run", listener=Witness(kill_at=7))
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    del record["settings"]["data"]["in_place"], record["settings"]["training"]["tiled"]
    path.write_text(json.dumps(record))
    run_tiny(place, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "options",
    [
        {"method": str(Path(__file__).with_name("needy.py"))},
        {"views": "mutual-neighbours"},
        {"views": "pseudo-queries"},
        {"views": "propensity-pairs"},
    ],
)
def test_methods_that_look_at_every_row_are_refused_before_a_row_is_read(
    place: Place, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    read: list[int] = []
    monkeypatch.setattr(index_build.IndexBuilder, "write_kept", lambda *_: read.append(1))
    with pytest.raises(UsageError, match=r"must see every row of the corpus.*leave --in-place out"):
        run(place, shards, tmp_path / "run", **options)
    assert not read
    assert not (tmp_path / "run").exists()


def test_labels_and_other_files_are_refused(place: Place, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in_place gives no labels"):
        run(place, shards, tmp_path / "run", label_column="text", parts="classifier")
    with pytest.raises(UsageError, match=r"a\.txt is none: leave --in-place out"):
        run(place, place.sentences, tmp_path / "run")


def test_a_large_copy_is_split_once_and_goes_on_to_the_same_bytes(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"held_out_rows": 8, "save_every": 3}
    small = run_tiny(place, tmp_path / "small", **options)
    monkeypatch.setattr(split_of_run, "LARGE", 50)
    large = run_tiny(place, tmp_path / "large", **options)
    assert outcome(large.folder) == outcome(small.folder)
    with pytest.raises(Killed):
        run_tiny(place, tmp_path / "cut", listener=Witness(kill_at=7), **options)
    looked: list[int] = []
    held_out = Corpus.held_out
    monkeypatch.setattr(
        Corpus, "held_out", lambda self, count, seed: (looked.append(count), held_out(self, count, seed))[1]
    )
    run_tiny(place, tmp_path / "cut", resume=True, **options)
    assert not looked
    assert outcome(tmp_path / "cut") == outcome(small.folder)
    ids = tmp_path / "cut" / "cache" / "held-out" / "ids.npy"
    data = bytearray(ids.read_bytes())
    data[-1] ^= 1
    os.chmod(ids, 0o600)
    ids.write_bytes(data)
    run_tiny(place, tmp_path / "cut", resume=True, **{**options, "steps": 14})
    assert looked == [8], "a damaged split is made again"
