"""The rows of the benchmark repeat where they are meant to, and its phases run on a few of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.corpora_phases import REPEATS, ROW_BYTES, write_lines, write_shards

from benchmarks import corpora, corpora_phases

ROWS = 3_000


def test_every_tenth_row_is_one_from_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora_phases, "_MADE_AT_ONCE", 700)
    write_lines(tmp_path / "a.txt", ROWS)
    lines = (tmp_path / "a.txt").read_text().split("\n")[:-1]
    assert {len(line) + 1 for line in lines} == {ROW_BYTES}
    seen: set[str] = set()
    for number, line in enumerate(lines):
        assert (line in seen) == (number % REPEATS == REPEATS - 1)
        seen.add(line)


def test_the_phases_find_the_rows_that_are_kept(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.txt", ROWS)
    write_shards(tmp_path / "shards", ROWS)
    for name in ("build", "index"):
        ran = corpora_phases._phase(name, tmp_path, ROWS)
        assert ran["rows"] == ROWS - ROWS // REPEATS
        assert ran["seconds"] > 0
    assert corpora_phases._phase("reopen-in-place", tmp_path, ROWS)["rows"] == corpora_phases.BATCH


def test_growth_is_an_exponent() -> None:
    assert corpora._exponent([1_000, 10_000, 100_000], [1.0, 20.0, 400.0]) == pytest.approx(1.301, abs=0.001)
    assert corpora._exponent([10, 1_000, 10_000, 100_000], [9.0, 2.0, 2.0, 2.0]) == 0
