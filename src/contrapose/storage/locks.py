"""Who is at work: one process per run folder, and whether the process that left something behind still lives.

The lock is the kernel's (``flock``), so it ends with its process however that dies. The file's content only tells
people who holds it; it decides nothing, except on file systems that have no ``flock``.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from contrapose.errors import RunLocked
from contrapose.storage import syscalls

logger = logging.getLogger(__name__)

LOCK_NAME = "run.lock"

#: How often, and how many seconds apart, to look again for the content of a lock taken a moment ago.
_CONTENT_TRIES, _CONTENT_PAUSE = 10, 0.02
#: Seconds between looks at a lock that is held for a moment.
_TURN_PAUSE = 0.05

_held: set[int] = set()


@cache
def machine() -> str:
    """Eight hex digits for "where process ids mean the same": the host's name and the process id name space.

    >>> len(machine())
    8
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return hashlib.blake2b(f"{socket.gethostname()} {namespace}".encode(), digest_size=4).hexdigest()


def alive(pid: int) -> bool:
    """Whether a process of this machine runs under ``pid``.

    >>> alive(os.getpid())
    True
    """
    if pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


class RunLock:
    """One process per folder: a context manager that holds ``run.lock`` in an existing ``folder``.

    Raises :class:`RunLocked`, naming the holder, if another process (or another RunLock of this one) has it, and
    :class:`StorageError` if the file cannot be written. A lock left by a process that was killed is taken over, with
    a warning. The file is deleted on exit.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RunLock(folder):
    ...     os.listdir(folder)
    ['run.lock']
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(folder)) / LOCK_NAME
        self._descriptor: int | None = None
        self._pid = 0

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock now or raise; never waits for the holder to end."""
        if self._descriptor is not None:
            raise RuntimeError("this RunLock is held already")
        with syscalls.reporting(self.path):
            descriptor = self._open_and_lock()
            try:
                self._take_over(descriptor)
            except BaseException:
                with suppress(OSError):
                    syscalls.calls.unlink(self.path)
                syscalls.calls.close(descriptor)
                raise
        self._descriptor, self._pid = descriptor, os.getpid()
        _close_in_children(descriptor)

    def release(self) -> None:
        """Give the lock back. Harmless if the folder was deleted meanwhile, or in a forked child."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or self._pid != os.getpid():
            return
        _held.discard(descriptor)
        try:
            if _names_the_same(self.path, descriptor):
                syscalls.calls.unlink(self.path)
        except OSError as error:
            logger.warning("could not delete %s: %s", self.path, error)
        try:
            syscalls.calls.close(descriptor)
        except OSError as error:  # the kernel has given the lock back all the same
            logger.warning("could not close %s: %s", self.path, error)

    def follow(self, folder: str | os.PathLike[str]) -> None:
        """The folder was renamed to ``folder`` with the lock in it."""
        self.path = Path(os.path.abspath(folder)) / LOCK_NAME

    def _open_and_lock(self) -> int:
        """A locked descriptor of the file that has the name *now*: a holder deletes its file on release."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        while True:
            descriptor = syscalls.uninterrupted(lambda: syscalls.calls.open(self.path, flags))
            try:
                self._lock(descriptor)
                if _names_the_same(self.path, descriptor):
                    return descriptor
            except BaseException:
                syscalls.calls.close(descriptor)
                raise
            syscalls.calls.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        operation = fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            syscalls.uninterrupted(lambda: syscalls.calls.flock(descriptor, operation))
        except BlockingIOError:
            raise RunLocked(self._in_words(_holder(descriptor, patient=True))) from None
        except OSError as error:
            if error.errno not in syscalls.NO_LOCKS:
                raise
            holder = _holder(descriptor, patient=False)
            if holder and (holder["machine"] != machine() or alive(holder["pid"])):
                raise RunLocked(self._in_words(holder)) from None
            logger.warning(
                "%s: no file locks here; two processes started at once are not kept apart", self.path
            )

    def _take_over(self, descriptor: int) -> None:
        if left := _holder(descriptor, patient=False):
            logger.warning(
                "%s was left by process %d on %s, which ended without cleaning up; taken over",
                self.path,
                left["pid"],
                left["host"],
            )
        content = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "machine": machine(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        syscalls.calls.truncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        syscalls.write_all(descriptor, (json.dumps(content) + "\n").encode())

    def _in_words(self, holder: dict[str, Any] | None) -> str:
        if holder is None:
            return (
                f"{self.path.parent} is in use by another process. Wait until it ends, or use another folder."
            )
        here = holder["machine"] == machine()
        stop = f"`kill {holder['pid']}`" if here else f"process {holder['pid']} there"
        return (
            f"{self.path.parent} is in use by process {holder['pid']} on {holder['host']} since "
            f"{holder['started']}. Wait until it ends, stop it ({stop}), or use another folder. "
            f"If you are sure that it is gone, delete {self.path}."
        )


@contextmanager
def turn(folder: str | os.PathLike[str]) -> Iterator[None]:
    """One process at a time inside the block; the others wait. For what takes a moment, in a folder that is there."""
    lock = RunLock(folder)
    while True:
        try:
            lock.acquire()
            break
        except RunLocked:
            time.sleep(_TURN_PAUSE)
    try:
        yield
    finally:
        lock.release()


def _holder(descriptor: int, *, patient: bool) -> dict[str, Any] | None:
    """What the lock file says, or None if it says nothing (its holder may not have written it yet)."""
    for _ in range(_CONTENT_TRIES if patient else 1):
        try:
            content = json.loads(os.pread(descriptor, 4096, 0))
            return {
                "pid": int(content["pid"]),
                **{key: str(content[key]) for key in ("host", "machine", "started")},
            }
        except (ValueError, KeyError, TypeError, RecursionError):
            if patient:
                time.sleep(_CONTENT_PAUSE)
    return None


def _names_the_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_close_held)


def _close_held() -> None:
    while _held:
        os.close(_held.pop())


def _close_in_children(descriptor: int) -> None:
    """A forked data worker that outlives a killed run must not keep the run's lock."""
    _watch_forks()
    _held.add(descriptor)
