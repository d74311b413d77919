"""One process per run folder; the holder is named, and a dead one does not block."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from contrapose.errors import RunLocked, StorageError
from contrapose.storage import locks, syscalls
from contrapose.storage.durable import (
    RunLock,
)
from tests.waiting import PATIENCE


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def _run(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)  # type: ignore[call-overload]


def _dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


HOLD = """
import sys, time
from contrapose.storage.durable import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_the_lock_and_a_killed_holder_does_not_block(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = _holder(tmp_path)
    try:
        with pytest.raises(RunLocked) as caught, RunLock(tmp_path):
            pass
        message = str(caught.value)
        for part in (
            str(tmp_path),
            f"process {holder.pid} on {socket.gethostname()}",
            "Wait",
            f"kill {holder.pid}",
        ):
            assert part in message
    finally:
        holder.kill()
        holder.communicate()
    assert _names(tmp_path) == ["run.lock"]
    with RunLock(tmp_path) as lock:
        assert json.loads(lock.path.read_text())["pid"] == os.getpid()
    assert f"left by process {holder.pid}" in caplog.text
    assert _names(tmp_path) == []


def test_a_lock_is_not_taken_twice_in_one_process_and_is_free_afterwards(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(RunLocked, match=f"process {os.getpid()} "), RunLock(tmp_path):
        pass
    with pytest.raises(KeyError), RunLock(tmp_path):
        raise KeyError
    with RunLock(tmp_path):
        pass


def test_a_forked_child_neither_keeps_nor_releases_the_lock(tmp_path: Path) -> None:
    code = """
import os, sys, time
from contrapose.storage.durable import RunLock
lock = RunLock(sys.argv[1])
lock.acquire()
child = os.fork()
if child == 0:
    lock.release()
    os.close(1)
    os.close(2)
    time.sleep(600)
    os._exit(0)
print(child, os.path.exists(sys.argv[1] + "/run.lock"), flush=True)
os.kill(os.getpid(), 9)
"""
    child, still_there = _run(code, tmp_path).stdout.split()
    try:
        assert still_there == "True"
        assert locks.alive(int(child)), "the child must outlive the run for this to mean something"
        with RunLock(tmp_path):
            pass
    finally:
        os.kill(int(child), 9)


def test_a_run_folder_that_vanished_does_not_break_the_release(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with RunLock(run):
        shutil.rmtree(run)
    run.mkdir()
    with RunLock(run):
        (run / "run.lock").unlink()
        (run / "run.lock").write_text("another's")
    assert (run / "run.lock").read_text() == "another's"


def test_a_missing_folder_or_a_planted_link_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist"), RunLock(tmp_path / "missing"):
        pass
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run.lock").symlink_to("victim")
    with pytest.raises(StorageError, match="symbolic link"), RunLock(tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "precious"


def test_an_unreadable_holder_is_still_a_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_CONTENT_PAUSE", 0.0)
    with RunLock(tmp_path) as lock:
        for content in ("", "garbage", "[]", '{"pid": "x"}'):
            lock.path.write_text(content)
            with pytest.raises(RunLocked, match="another process"), RunLock(tmp_path):
                pass


def test_without_kernel_locks_the_content_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class NoLocks(syscalls.Syscalls):
        def flock(self, descriptor: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(syscalls, "calls", NoLocks())
    content = {"pid": os.getppid(), "host": "here", "machine": locks.machine(), "started": "now"}
    lock = tmp_path / "run.lock"
    for holder in (content, {**content, "machine": "f" * 8}):
        lock.write_text(json.dumps(holder))
        with pytest.raises(RunLocked, match=r"delete .*run\.lock"), RunLock(tmp_path):
            pass
    lock.write_text(json.dumps({**content, "pid": _dead_pid()}))
    with RunLock(tmp_path):
        assert "no file locks here" in caplog.text
