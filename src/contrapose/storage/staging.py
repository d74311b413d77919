"""Under a temporary name: where new files and folders grow until they are whole, and who deletes what was left there.

A temporary name tells the machine and the process it belongs to, so that what a killed process left is recognised and
deleted by the next writer, and what a living one is writing is left alone.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from contrapose.errors import StorageError
from contrapose.storage import syscalls
from contrapose.storage.locks import RunLock, alive, machine
from contrapose.storage.syscalls import reporting

logger = logging.getLogger(__name__)

#: Bytes gathered before they are written.
BUFFER_SIZE = 1 << 20

#: Seconds after which another machine's temporary file counts as abandoned.
ABANDONED_AFTER = 24 * 3600

#: What a rename of a folder answers where its new name was taken meanwhile.
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}

_TEMPORARY = re.compile(
    r"\.contrapose-(?P<machine>[0-9a-f]{8})-(?P<pid>\d{1,10})-(?P<process>[0-9a-f]{8})-[0-9a-f]{8}\.tmp"
)


class Sink(io.BufferedIOBase):
    """A write-only file that goes through the seam, continues short writes, and hashes what was handed in."""

    def __init__(self, descriptor: int, final_path: Path) -> None:
        self._descriptor, self._final_path = descriptor, final_path
        self._pending, self._position = bytearray(), 0
        self.digest = hashlib.sha256()
        self.failure: StorageError | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("write to a closed file")
        view = memoryview(data).cast("B")
        self.digest.update(view)
        self._position += view.nbytes
        if len(self._pending) + view.nbytes < BUFFER_SIZE:
            self._pending += view
        else:
            self.flush()
            self._write(view)
        return view.nbytes

    def flush(self) -> None:
        pending, self._pending = self._pending, bytearray()
        self._write(pending)

    def abandon(self) -> None:
        """Forget what was not written: after a failure nothing may be retried into a closed descriptor."""
        self._pending.clear()
        self.close()

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        try:
            with reporting(self._final_path):
                syscalls.write_all(self._descriptor, data)
        except StorageError as error:
            self.failure = error
            raise


@contextmanager
def new_file(path: Path, final_path: Path) -> Iterator[Sink]:
    """A file that did not exist before, synchronised at the end of the block. Errors name ``final_path``."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with reporting(final_path):
        descriptor = syscalls.uninterrupted(lambda: syscalls.calls.open(path, flags))
    with sinking(descriptor, final_path, sync=True) as sink:
        yield sink


@contextmanager
def sinking(descriptor: int, final_path: Path, *, sync: bool) -> Iterator[Sink]:
    """What is written goes into an open file, which the end of the block closes; ``sync``: once the disk has it."""
    sink = Sink(descriptor, final_path)
    try:
        yield sink
        sink.close()
        if sink.failure:  # whoever wrote swallowed it; the bytes are missing all the same
            raise sink.failure
        if sync:
            with reporting(final_path):
                syscalls.uninterrupted(lambda: syscalls.calls.fsync(descriptor))
    except BaseException:
        sink.abandon()
        with suppress(OSError):
            syscalls.calls.close(descriptor)
        raise
    with reporting(final_path):
        syscalls.calls.close(descriptor)


@cache
def _process(pid: int) -> str:
    """Tells this process from an earlier one with the same id."""
    return os.urandom(4).hex()


def temporary(parent: Path) -> Path:
    """A fresh temporary name in ``parent`` that tells whose it is."""
    pid = os.getpid()
    return parent / f".contrapose-{machine()}-{pid}-{_process(pid)}-{os.urandom(4).hex()}.tmp"


def sweep(parent: Path) -> None:
    """Delete what killed processes left in ``parent``. That this fails must not stop the work."""
    try:
        names = syscalls.calls.listdir(parent)
    except OSError:
        return  # the write that follows reports it
    for name in names:
        if _is_abandoned(parent / name):
            discard(parent / name)


def _is_abandoned(path: Path) -> bool:
    match = _TEMPORARY.fullmatch(path.name)
    if match is None:
        return False
    if match["machine"] != machine():
        with suppress(OSError):
            return time.time() - os.lstat(path).st_mtime > ABANDONED_AFTER
        return False
    pid = int(match["pid"])
    return match["process"] != _process(pid) if pid == os.getpid() else not alive(pid)


def discard(path: Path) -> None:
    """Delete something temporary. That this fails is said, and left to the next writer's :func:`sweep`."""
    try:
        syscalls.remove(path)
    except OSError as error:
        logger.warning("could not delete the temporary %s: %s", path, error)


def locked_folder(folder: str | os.PathLike[str]) -> tuple[RunLock, bool]:
    """``folder``, made where it is not there, and its lock; and whether it was made. Never waits for a holder.

    A new folder is made and locked under a temporary name, and renamed: whoever made it has its lock from the moment
    it is there, and so is the only one who may delete it. A folder that its holder deletes while it is being opened
    here is made anew. Raises :class:`RunLocked` and :class:`StorageError`.
    """
    target = Path(os.path.abspath(folder))
    while True:
        if not os.path.lexists(target) and (lock := _new_folder(target)):
            return lock, True
        lock = RunLock(target)
        try:
            lock.acquire()
        except StorageError as error:
            vanished = isinstance(error.__cause__, FileNotFoundError) and not target.is_symlink()
            if not vanished:
                raise
        else:
            return lock, False


def _new_folder(target: Path) -> RunLock | None:
    """The held lock of a new folder, or None where something of that name appeared first."""
    with reporting(target, "make the folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        staged = temporary(target.parent)
        try:
            syscalls.calls.mkdir(staged, 0o777)
            lock = RunLock(staged)
            lock.acquire()
        except BaseException:
            discard(staged)
            raise
        try:
            syscalls.calls.rename(staged, target)
        except OSError as error:
            lock.release()
            discard(staged)
            if error.errno in _TAKEN:
                return None
            raise
        lock.follow(target)
        try:
            syscalls.sync_folder(target.parent)
        except BaseException:
            lock.release()
            with suppress(OSError):
                syscalls.calls.rmdir(target)
            raise
    return lock
