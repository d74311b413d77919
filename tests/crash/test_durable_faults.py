"""Every system call fails in turn, power fails at every moment, processes die anywhere: old or new, never between."""

from __future__ import annotations

import errno
import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contrapose.errors import StorageError
from contrapose.storage import durable, syscalls
from contrapose.storage.durable import (
    RunLock,
    append_line,
    remove_tree,
    verify_tree,
    write_bytes,
    write_tree,
)

OLD_TREE = {"state.json": b"old", "sub/weights.bin": b"o" * 3000}
NEW_TREE = {"state.json": b"new", "sub/weights.bin": b"n" * 5000, "sub/deep/more.bin": b"m"}
METHODS = [name for name in vars(syscalls.Syscalls) if not name.startswith("_")]
LEFTOVER = re.compile(r"\.contrapose-.*\.tmp")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_REPLACE_PAUSE", 0.0)


def _tree(folder: Path) -> dict[str, bytes] | None:
    """What a reader gets: every file of a verified tree, or None where there is none."""
    try:
        return {name: (folder / name).read_bytes() for name in verify_tree(folder)}
    except StorageError:
        return None


def _file(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@dataclass(frozen=True)
class Operation:
    """Something that durable.py promises to do wholly or not at all, in a folder of its own."""

    name: str
    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    read: Callable[[Path], object]
    old: object
    new: object


def _locked(folder: Path) -> None:
    with RunLock(folder):
        pass


OPERATIONS = [
    Operation(
        "new file",
        lambda f: None,
        lambda f: write_bytes(f / "a", b"new"),
        lambda f: _file(f / "a"),
        None,
        b"new",
    ),
    Operation(
        "replaced file",
        lambda f: write_bytes(f / "a", b"old"),
        lambda f: write_bytes(f / "a", b"new" * 100),
        lambda f: _file(f / "a"),
        b"old",
        b"new" * 100,
    ),
    Operation(
        "new tree",
        lambda f: None,
        lambda f: write_tree(f / "t", NEW_TREE),
        lambda f: _tree(f / "t"),
        None,
        NEW_TREE,
    ),
    Operation(
        "replaced tree",
        lambda f: write_tree(f / "t", OLD_TREE),
        lambda f: write_tree(f / "t", NEW_TREE, replace=True),
        lambda f: _tree(f / "t"),
        OLD_TREE,
        NEW_TREE,
    ),
    Operation(
        "removed tree",
        lambda f: write_tree(f / "t", OLD_TREE),
        lambda f: remove_tree(f / "t"),
        lambda f: _tree(f / "t"),
        OLD_TREE,
        None,
    ),
    Operation(
        "appended line",
        lambda f: write_bytes(f / "a", b"old\n"),
        lambda f: append_line(f / "a", "new", sync=True),
        lambda f: _file(f / "a"),
        b"old\n",
        b"old\nnew\n",
    ),
]
LOCK = Operation("lock", lambda f: None, _locked, lambda f: None, None, None)
by_name = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


# Every call fails


@dataclass
class Faulty(syscalls.Syscalls):
    """Fails the n-th call (and every one after it, if ``lasting``), before it did its work or after it."""

    at: int
    number: int | None  # None: a write takes half of the bytes, without any error
    lasting: bool = False
    after: bool = False
    seen: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def strikes(self, name: str) -> bool:
        self.seen.append(name)
        strikes = len(self.seen) == self.at or (self.lasting and len(self.seen) > self.at)
        if strikes:
            self.failed.append(name)
        return strikes


def _failing(name: str) -> Callable[..., Any]:
    real = getattr(syscalls.Syscalls, name)

    def call(self: Faulty, *arguments: Any) -> Any:
        if not self.strikes(name):
            return None if name == "fsync" else real(self, *arguments)  # a real fsync would only cost time
        if self.number is None:
            if name == "write":
                arguments = (arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2 or 1])
            return real(self, *arguments)
        if self.after or name == "close":
            result = real(self, *arguments)
            if name == "open":
                os.close(result)
        raise OSError(self.number, os.strerror(self.number))

    return call


for _name in METHODS:
    setattr(Faulty, _name, _failing(_name))

FULL = [(errno.ENOSPC, False, False)]
ALL = [
    (None, False, False),
    (errno.EINTR, False, False),
    *itertools.product((errno.ENOSPC, errno.EACCES, errno.EIO), (False, True), (False, True)),
]


def _one_fault(operation: Operation, folder: Path, fault: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the operation into one fault, and check what the promise says about it."""
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(syscalls, "calls", Faulty(at=0, number=None))  # never strikes
        operation.prepare(folder)
    error: StorageError | None = None
    with monkeypatch.context() as patch:
        patch.setattr(syscalls, "calls", fault)
        try:
            operation.act(folder)
        except StorageError as caught:
            error = caught
    story = f"{operation.name}: call {fault.at} of {fault.seen}, {fault}"
    left = [name for name in os.listdir(folder) if LEFTOVER.fullmatch(name)]
    state = operation.read(folder)
    assert state in (operation.old, operation.new), story
    if error is None:
        assert state == operation.new, f"no error, but not done: {story}"
    else:
        assert str(folder) in str(error), story
        assert re.search(r": .+\. .+\.$", str(error)), f"no remedy in {error}"
    if not set(fault.failed) & {"unlink", "rmdir", "listdir"}:
        assert left == [], f"leftovers: {story}"
    if operation.new is not None and not fault.lasting:
        if operation.read(folder) == operation.old:
            operation.act(folder)  # the disk is well again: the same call works
        assert operation.read(folder) == operation.new, story


def _sweep(operation: Operation, tmp_path: Path, faults: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    runs = 0
    for number, lasting, after in faults:
        for at in itertools.count(1):
            fault = Faulty(at, number, lasting, after)
            runs += 1
            _one_fault(operation, tmp_path / str(runs), fault, monkeypatch)
            if not fault.failed:
                assert at > 3, "the operation must go through the seam"
                break
    return runs


@pytest.mark.parametrize("operation", [*OPERATIONS, LOCK], ids=lambda operation: operation.name)
def test_a_full_disk_at_any_call_leaves_old_or_new(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sweep(operation, tmp_path, FULL, monkeypatch)


@pytest.mark.crash
@pytest.mark.parametrize("operation", [*OPERATIONS, LOCK], ids=lambda operation: operation.name)
def test_any_fault_at_any_call_leaves_old_or_new(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _sweep(operation, tmp_path, ALL, monkeypatch) > 60


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_lock_that_cannot_be_written_is_reported_and_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fault = Faulty(4, number)
    with monkeypatch.context() as patch:
        patch.setattr(syscalls, "calls", fault)
        with pytest.raises(StorageError, match=r"run\.lock"), RunLock(tmp_path):
            pass
    assert fault.failed == ["write"]
    assert os.listdir(tmp_path) == []


# Power fails


class Node:
    """A file or folder as the page cache holds it, and as the disk does."""

    def __init__(self, entries: dict[str, Node] | None = None, content: bytes = b"") -> None:
        self.is_folder = entries is not None
        self.entries, self.durable_entries = dict(entries or {}), dict(entries or {})
        self.content, self.durable_content = content, content
        self.pending: list[tuple[str, ...]] = []
        self.made: dict[int, Node] = {}


State = dict[str, Any] | bytes


class PowerCut(syscalls.Syscalls):
    """Real calls, and beside them a model of what a power cut now would leave: un-synchronised data may be lost, cut
    or zero; un-synchronised names may be there or not, each on its own, so renames are reordered."""

    def __init__(self, root: Path, seed: int, forgets: str = "") -> None:
        self.root, self.rng, self.forgets = root, random.Random(seed), forgets
        self.tree = self._load(root)
        self.open_nodes: dict[int, Node] = {}
        self.states: dict[str, State] = {}
        self.moments = 0

    def _load(self, path: Path) -> Node:
        if path.is_dir():
            return Node({child.name: self._load(child) for child in path.iterdir()})
        return Node(content=path.read_bytes())

    def _node(self, path: Path) -> Node:
        node = self.tree
        for part in path.relative_to(self.root).parts:
            node = node.entries[part]
        return node

    def _link(self, path: Path, node: Node) -> None:
        parent = self._node(path.parent)
        parent.entries[path.name] = node
        parent.made[id(node)] = node
        parent.pending.append(("link", path.name, str(id(node))))

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        descriptor = super().open(path, flags, mode)
        if flags & os.O_CREAT and path.name not in self._node(path.parent).entries:
            self._link(path, Node())
        self.open_nodes[descriptor] = self._node(path)
        return self._moment(descriptor)

    def write(self, descriptor: int, data: syscalls.Buffer) -> int:
        written = super().write(descriptor, data)
        self.open_nodes[descriptor].content += bytes(data)[:written]
        return self._moment(written)

    def fsync(self, descriptor: int) -> None:
        node = self.open_nodes[descriptor]
        if self.forgets != ("folder" if node.is_folder else "file"):
            node.durable_content = node.content
            node.durable_entries, node.pending = dict(node.entries), []
        self._moment(None)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        assert source.parent == target.parent, "a rename across folders is not atomic everywhere"
        parent = self._node(source.parent)
        parent.entries[target.name] = parent.entries.pop(source.name)
        parent.pending.append(("rename", source.name, target.name))
        self._moment(None)

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._drop(path)

    def rmdir(self, path: Path) -> None:
        super().rmdir(path)
        self._drop(path)

    def _drop(self, path: Path) -> None:
        parent = self._node(path.parent)
        del parent.entries[path.name]
        parent.pending.append(("unlink", path.name))
        self._moment(None)

    def mkdir(self, path: Path, mode: int = 0o700) -> None:
        super().mkdir(path, mode)
        self._link(path, Node({}))
        self._moment(None)

    def _moment(self, result: Any) -> Any:
        self.moments += 1
        self.states.update(self.possible())
        return result

    def possible(self) -> dict[str, State]:
        """What the disk may hold if the power fails now: nothing pending done, all of it, and random halves of it."""
        chances = [0.0, 1.0, *([0.5] * 12)]
        states = [self._survives(self.tree, chance) for chance in chances]
        return {repr(state): state for state in states}

    def _survives(self, node: Node, chance: float) -> State:
        if not node.is_folder:
            return self._content(node, chance)
        entries = dict(node.durable_entries)
        for step in node.pending:
            if self.rng.random() < chance:
                self._apply(step, entries, node)
        return {name: self._survives(child, chance) for name, child in sorted(entries.items())}

    def _apply(self, step: tuple[str, ...], entries: dict[str, Node], parent: Node) -> None:
        match step:
            case ("link", name, key):
                entries[name] = parent.made[int(key)]
            case ("rename", source, target):
                in_the_way = entries.get(target)
                full = in_the_way is not None and in_the_way.is_folder and in_the_way.durable_entries
                if source in entries and not full:
                    entries[target] = entries.pop(source)
            case ("unlink", name):
                entries.pop(name, None)

    def _content(self, node: Node, chance: float) -> bytes:
        if self.rng.random() < chance:
            return node.content
        kept, length = node.durable_content, len(node.content)
        new = node.content[len(kept) :]
        return self.rng.choice([kept, kept + new[: len(new) // 2], kept + bytes(max(length - len(kept), 0))])


def _build(state: State, path: Path) -> None:
    if isinstance(state, bytes):
        path.write_bytes(state)
        return
    path.mkdir()
    for name, child in state.items():
        _build(child, path / name)


def _after(operation: Operation, states: dict[str, State], folder: Path) -> Iterator[object]:
    folder.mkdir()
    for number, state in enumerate(states.values()):
        _build(state, folder / str(number))
        yield _or_damage(operation, folder / str(number))


def _or_damage(operation: Operation, folder: Path) -> object:
    from contrapose.errors import CorruptCheckpoint

    try:
        return operation.read(folder)
    except CorruptCheckpoint as error:
        return f"damage: {error}"


def _power_fails(
    operation: Operation, tmp_path: Path, seed: int, patch: pytest.MonkeyPatch, forgets: str = ""
) -> int:
    """The number of broken promises over every moment of one run of ``operation``."""
    folder = tmp_path / "disk"
    folder.mkdir()
    operation.prepare(folder)
    power = PowerCut(folder, seed, forgets)
    with patch.context() as context:
        context.setattr(syscalls, "calls", power)
        operation.act(folder)
    assert power.moments > 2
    during = list(_after(operation, power.states, tmp_path / "during"))
    assert len(during) > 1, "the cut must have had several possible outcomes"
    allowed = [operation.old, operation.new]
    if operation.name == "appended line":  # a torn line is only promised to be the last and unfinished one
        during = [operation.old if _torn(state) else state for state in during]
    broken = sum(state not in allowed for state in during)
    finished = list(_after(operation, power.possible(), tmp_path / "finished"))
    return broken + sum(state != operation.new for state in finished)


def _torn(state: object) -> bool:
    return isinstance(state, bytes) and state.startswith(b"old\n") and not state.endswith(b"\nnew\n")


@by_name
def test_power_may_fail_at_any_moment_and_not_undo_what_is_done(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _power_fails(operation, tmp_path, 0, monkeypatch) == 0


@pytest.mark.crash
@by_name
@pytest.mark.parametrize("seed", range(1, 11))
def test_power_may_fail_at_any_moment_in_any_order(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    assert _power_fails(operation, tmp_path, seed, monkeypatch) == 0


@pytest.mark.parametrize("forgets", ["file", "folder"])
@pytest.mark.parametrize("operation", OPERATIONS[:4], ids=lambda operation: operation.name)
def test_the_power_cut_would_notice_a_missing_fsync(
    operation: Operation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgets: str
) -> None:
    assert _power_fails(operation, tmp_path, 0, monkeypatch, forgets) > 0


# Processes die

WRITER = """
import sys
from contrapose.storage.durable import append_line, write_bytes, write_tree
folder, first = sys.argv[1], int(sys.argv[2])
for generation in range(first, 10**9):
    word = b"%012d" % generation
    files = {"a.bin": word * 5000, "sub/b.bin": word * 5000, "c.bin": word}
    write_tree(folder + "/latest", files, replace=True)
    write_bytes(folder + "/state", word * 5000)
    append_line(folder + "/log", word.decode())
    print(generation, flush=True)
"""


def _generation(folder: Path) -> int:
    """The one generation that the tree, whole and verified, holds."""
    contents = {(folder / "latest" / name).read_bytes() for name in verify_tree(folder / "latest")}
    words = {content[i : i + 12] for content in contents for i in range(0, len(content), 12)}
    assert len(words) == 1, "a tree of two generations"
    return int(words.pop())


def _kill_one(folder: Path, first: int, wait: float) -> int:
    """Start a writer, kill it ``wait`` seconds after its first round, return its last finished round."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    line = writer.stdout.readline()
    time.sleep(wait)
    writer.kill()
    rest, _ = writer.communicate()
    return int((line + rest).split()[-1])


def _kill_many(folder: Path, kills: int) -> int:
    """How many of the kills fell into the middle of a write."""
    rng, landed, generation = random.Random(kills), 0, 0
    for _ in range(kills):
        finished = _kill_one(folder, generation + 1, rng.uniform(0, 0.05))
        names = os.listdir(folder)
        landed += any(LEFTOVER.fullmatch(name) or name == ".latest.previous" for name in names)
        generation = _generation(folder)
        assert generation in (finished, finished + 1)
        state = (folder / "state").read_bytes()
        assert state in (b"%012d" % finished * 5000, b"%012d" % (finished + 1) * 5000)
        lines = (folder / "log").read_text().splitlines()
        assert f"{finished:012d}" in lines
        assert all(re.fullmatch(r"\d{12}", line) for line in lines)
    write_tree(folder / "latest", OLD_TREE, replace=True)
    assert sorted(os.listdir(folder)) == ["latest", "log", "state"], "the next writer cleans up"
    return landed


def test_kill_9_in_the_middle_of_writing_leaves_old_or_new(tmp_path: Path) -> None:
    assert _kill_many(tmp_path, kills=3) >= 1


@pytest.mark.crash
def test_kill_9_at_many_random_moments_leaves_old_or_new(tmp_path: Path) -> None:
    assert _kill_many(tmp_path, kills=50) >= 15
