"""Each part's seconds are added up over all of a run's processes, and one process writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.train import timings as module
from contrapose.train.run_folder import read_rows
from contrapose.train.timings import Timings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows, in one number that a test may change."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def test_a_run_that_goes_on_counts_what_earlier_calls_took_and_forgets_what_it_does_again(
    tmp_path: Path, clock: list[float]
) -> None:
    first = Timings(tmp_path, began=90.0)
    first.prepared(0, looking=4.0)
    for step in (1, 2, 3):
        first.stepped(step, 2.0)
    with first.timed("saving", 2):
        clock[0] += 1
    assert first.summary() == {
        "seconds": 11.0,
        "preparing_seconds": 6.0,
        "looking_seconds": 4.0,
        "training_seconds": 6.0,
        "saving_seconds": 1.0,
    }
    clock[0] = 1_000.0
    second = Timings(tmp_path, began=1_000.0)
    second.cut_after(2)
    second.prepared(2, looking=0.0)
    assert [row["step"] for row in read_rows(second.path) if "seconds" in row] == [1, 2]
    clock[0] += 3
    assert second.summary()["seconds"] == 6 + 4 + 2 * 2 + 1 + 3


def test_speed_is_of_the_median_step(tmp_path: Path) -> None:
    timings = Timings(tmp_path, began=0.0)
    assert timings.rows_per_second(8) is None
    for step, seconds in enumerate((0.5, 100.0, 0.5)):
        timings.stepped(step, seconds)
    assert timings.rows_per_second(8) == 16


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    other = Timings(tmp_path, began=0.0, writes=False)
    other.prepared(0, looking=0.0)
    other.stepped(1, 1.0)
    with other.timed("saving", 1):
        pass
    assert not other.path.exists()
