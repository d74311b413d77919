"""What killed processes left is recognised by name and swept; what living ones write is left alone."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from contrapose.storage import locks, staging, syscalls
from contrapose.storage.durable import (
    write_bytes,
)


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def _dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def _leftover(pid: int, machine: str | None = None, process: str = "0" * 8) -> str:
    return f".contrapose-{machine or locks.machine()}-{pid}-{process}-{'1' * 8}.tmp"


def test_only_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    day = staging.ABANDONED_AFTER
    mine = staging.temporary(tmp_path).name
    dead, reused = _leftover(_dead_pid()), _leftover(os.getpid())
    old, young = _leftover(1, machine="f" * 8, process="2" * 8), _leftover(1, machine="f" * 8)
    living, foreign = _leftover(os.getppid()), "contrapose.tmp"
    for name in (reused, old, young, living, foreign, mine):
        (tmp_path / name).write_bytes(b"part")
    (tmp_path / dead / "sub").mkdir(parents=True)
    (tmp_path / dead / "sub" / "file").write_bytes(b"part")
    os.utime(tmp_path / old, (time.time() - day - 60,) * 2)
    write_bytes(tmp_path / "a", b"")
    assert _names(tmp_path) == sorted([mine, young, living, foreign, "a"])


def test_a_leftover_that_cannot_be_deleted_is_reported_and_does_not_stop_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class NoDelete(syscalls.Syscalls):
        def unlink(self, path: Path) -> None:
            raise PermissionError(errno.EACCES, "no")

    name = _leftover(_dead_pid())
    (tmp_path / name).write_bytes(b"part")
    monkeypatch.setattr(syscalls, "calls", NoDelete())
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert name in caplog.text
