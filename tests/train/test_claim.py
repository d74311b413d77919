"""Of several that begin in one folder at once, one has it; who has it not takes nothing away from who has."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import RunLocked, UsageError
from contrapose.storage import syscalls
from contrapose.train.claim import claim

#: More system calls than a claim makes.
MOST_CALLS = 40


class Meanwhile(syscalls.Syscalls):
    """Right before system call number ``place`` (from 0), something else happens once."""

    def __init__(self, place: int, happen: Callable[[], None]) -> None:
        self._left, self._happen = place, happen
        self.happened = False

    def _count(self) -> None:
        self._left -= 1
        if self._left == -1:
            before, syscalls.calls = syscalls.calls, syscalls.Syscalls()
            try:
                self._happen()
            finally:
                syscalls.calls = before
            self.happened = True


def _counted(name: str) -> Any:
    original = getattr(syscalls.Syscalls, name)

    def call(self: Meanwhile, *arguments: Any, **options: Any) -> Any:
        self._count()
        return original(self, *arguments, **options)

    return call


for _name in [name for name in vars(syscalls.Syscalls) if not name.startswith("_")]:
    setattr(Meanwhile, _name, _counted(_name))


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], Meanwhile]:
    def install(place: int, happen: Callable[[], None]) -> Meanwhile:
        double = Meanwhile(place, happen)
        monkeypatch.setattr(syscalls, "calls", double)
        return double

    return install


def test_another_start_at_any_moment_of_a_start_takes_nothing_away(
    tmp_path: Path, meanwhile: Callable[[int, Callable[[], None]], Meanwhile]
) -> None:
    winners = set()
    for place in range(MOST_CALLS):
        folder = tmp_path / f"run-{place}"
        other = ExitStack()
        refused: list[str] = []

        def begin(folder: Path = folder, other: ExitStack = other, refused: list[str] = refused) -> None:
            try:
                claim(folder, resume=False, stack=other)
                (folder / "cache").mkdir()
            except RunLocked:
                refused.append("the other")

        double = meanwhile(place, begin)
        with ExitStack() as stack:
            try:
                claim(folder, resume=False, stack=stack)
                (folder / "cache").mkdir()
            except RunLocked:
                refused.append("the first")
            if not double.happened:
                break
            assert len(refused) == 1, f"before call {place}: {refused} were refused"
            if refused == ["the first"]:
                stack.close()
                assert (folder / "cache").is_dir(), (
                    f"before call {place}: the loser deleted the winner's folder"
                )
        winners.update(refused)
        other.close()
        assert not folder.exists(), "whoever had it and did not begin leaves nothing"
    else:
        pytest.fail("a claim makes more system calls than were tried")
    assert winners == {"the first", "the other"}, "no interleaving was tried from one side"


def test_a_start_that_another_gives_up_at_any_moment_is_a_start_or_is_refused(
    tmp_path: Path, meanwhile: Callable[[int, Callable[[], None]], Meanwhile]
) -> None:
    ends = set()
    for place in range(MOST_CALLS):
        folder = tmp_path / f"run-{place}"
        other = ExitStack()
        claim(folder, resume=False, stack=other)
        double = meanwhile(place, other.close)  # deletes the folder that it made
        with ExitStack() as stack:
            try:
                claim(folder, resume=False, stack=stack)
                assert (folder / "run.lock").exists()
                ends.add("has it")
            except RunLocked:
                ends.add("refused")
        if not double.happened:
            other.close()
            break
        assert not folder.exists()
    assert ends == {"has it", "refused"}


def test_what_a_killed_start_left_half_made_is_swept_and_no_obstacle(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    child = os.fork()
    if child == 0:
        syscalls.calls = Meanwhile(5, lambda: os._exit(9))
        with ExitStack() as stack:
            claim(tmp_path / "run", resume=False, stack=stack)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9, "it was not killed in the middle"
    with ExitStack() as stack:
        claim(tmp_path / "run", resume=False, stack=stack)
        assert sorted(os.listdir(tmp_path)) == ["run"]
        assert os.listdir(tmp_path / "run") == ["run.lock"]


def _begin(folder: Path, start: Barrier, found: Any) -> None:
    """One of several that begin; the winner does what a start does, fails, and looks whether its folder was there."""
    start.wait()
    try:
        with ExitStack() as stack:
            claim(folder, resume=False, stack=stack)
            (folder / "cache").mkdir()
            (folder / "cache" / "rows").write_text("mine")
            start.wait()
            assert (folder / "cache" / "rows").read_text() == "mine"
            found.put("had it")
    except RunLocked:
        start.wait()
        found.put("refused")


def test_of_processes_that_begin_together_exactly_one_has_the_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(10):
        folder, start, found = tmp_path / f"run-{number}", context.Barrier(2), context.Queue()
        pair = [context.Process(target=_begin, args=(folder, start, found)) for _ in range(2)]
        for process in pair:
            process.start()
        assert sorted(found.get(timeout=60) for _ in pair) == ["had it", "refused"]
        for process in pair:
            process.join(60)
        assert not folder.exists()


@pytest.mark.parametrize(
    "made", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("nothing")]
)
def test_what_is_no_folder_is_refused_and_kept(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "run")
    with pytest.raises(UsageError, match="is a file, not a folder"), ExitStack() as stack:
        claim(tmp_path / "run", resume=False, stack=stack)
    assert os.path.lexists(tmp_path / "run")


def test_a_folder_that_only_looks_like_a_run_is_refused_and_kept(tmp_path: Path) -> None:
    """Many programs keep a cache; a run begins with its corpus, and what a killed one left may be begun anew."""
    folder = tmp_path / "project"
    (folder / "cache" / "corpus").mkdir(parents=True)
    (folder / "config.toml").write_text("mine = true")
    with pytest.raises(UsageError, match=r"holds a config\.toml that is no run's"), ExitStack() as stack:
        claim(folder, resume=False, stack=stack)
    assert (folder / "config.toml").read_text() == "mine = true"
    (folder / "cache" / "corpus" / "corpus.json").touch()
    with ExitStack() as stack:
        claim(folder, resume=False, stack=stack)
        assert (folder / "run.lock").exists()


def test_a_start_that_was_killed_while_it_read_the_corpus_may_be_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "run" / "cache" / ".contrapose-00000000-1-00000000-00000000.tmp").mkdir(parents=True)
    with ExitStack() as stack:
        claim(tmp_path / "run", resume=False, stack=stack)
        assert (tmp_path / "run" / "run.lock").exists()
