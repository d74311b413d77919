"""Settings from a shared study: none twice, none lost, none beyond the count."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from contrapose.errors import StorageError, UsageError
from contrapose.experiment.ranges import parse_over
from contrapose.experiment.sweep_points import Points
from tests.waiting import PATIENCE, wait_until

FACTORS = parse_over("temperature=0.01..0.1,margin=0..0.5", "focal-infonce")


def points(folder: Path, **changes: object) -> Points:
    folder.mkdir(exist_ok=True)
    given = {"name": "s", "search": "random", "count": 6, "per_range": 3, **changes}
    return Points(folder, FACTORS, **given)  # type: ignore[arg-type]


def work(study: Points, pause: float = 0.0) -> list[dict[str, float]]:
    done = []
    while True:
        with study.next() as point:
            if point is None:
                return done
            time.sleep(pause)
            study.tell(point, point.values["margin"], [])
            done.append(dict(point.values))


def test_a_grid_is_all_combinations_in_order(tmp_path: Path) -> None:
    study = points(tmp_path, search="grid")
    found = work(study)
    assert study.total == 9
    assert found == [{"temperature": t, "margin": m} for t in (0.01, 0.055, 0.1) for m in (0.0, 0.25, 0.5)]
    assert [dict(point.values) for point in study.measured()] == found


def test_random_draws_are_the_same_again_and_a_longer_list_begins_with_the_shorter(tmp_path: Path) -> None:
    first = work(points(tmp_path / "a"))
    again = work(points(tmp_path / "b", count=8))
    assert again[:6] == first
    assert len({tuple(point.values()) for point in again}) == 8
    more = work(points(tmp_path / "a", count=8))
    assert first + more == again


def test_tpe_goes_where_it_was_good(tmp_path: Path) -> None:
    found = work(points(tmp_path, search="tpe", count=30))
    late = [point["margin"] for point in found[15:]]
    assert sum(late) / len(late) > 0.35


def test_a_setting_that_was_left_is_taken_up_first(tmp_path: Path) -> None:
    study = points(tmp_path)
    with study.next() as left:
        assert left is not None
    with points(tmp_path).next() as again:
        assert again == left
        with study.next() as other:
            assert other is not None
            assert other.number != left.number
        assert study.at_work() == 2


def _worker(folder: Path) -> None:
    work(points(folder, count=12), pause=0.02)


def _stuck(folder: Path) -> None:
    with points(folder, count=12).next():
        (folder / "taken").touch()
        time.sleep(600)


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_processes_share_a_study_and_take_over_from_a_killed_one(tmp_path: Path, storage: str) -> None:
    context = multiprocessing.get_context("fork")
    stuck = context.Process(target=_stuck, args=(tmp_path,))
    if storage == "sqlite":
        url = f"sqlite:///{tmp_path / 'study.db'}"
        study = points(tmp_path, count=4, storage=url)
        assert len(work(study)) == 4
        assert len(points(tmp_path, count=4, storage=url).measured()) == 4
        return
    stuck.start()
    wait_until((tmp_path / "taken").exists, at_work=stuck.is_alive)
    os.kill(stuck.pid or 0, signal.SIGKILL)
    stuck.join(PATIENCE)
    workers = [context.Process(target=_worker, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    found = points(tmp_path, count=12).measured()
    assert len({tuple(point.values.values()) for point in found}) == len(found) == 12


def _home(folder: Path, place: int) -> None:
    (folder / f"home-{place}").write_text(points(folder / "x")._home)


def test_processes_that_begin_together_are_one_folder_s(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_home, args=(tmp_path, place)) for place in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    assert len({path.read_text() for path in tmp_path.glob("home-*")}) == 1


def test_folders_that_share_a_database_share_the_settings_and_hear_of_each_others_rows(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    mine, other = (points(tmp_path / name, count=4, storage=url) for name in ("mine", "other"))
    with mine.next() as first:
        assert first is not None
        mine.tell(first, 1.0, [{"key": "k", "values": {}}])
    assert len(work(other)) == 3
    assert mine.rows_of_others() == []
    assert other.rows_of_others() == [{"key": "k", "values": {}}]
    assert len(mine.measured()) == 4


def test_a_storage_that_is_none_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises((UsageError, StorageError), match=r"nosuch://\*\*\*@host") as refusal:
        points(tmp_path, storage="nosuch://me:secret@host/db")
    assert "secret" not in str(refusal.value)
