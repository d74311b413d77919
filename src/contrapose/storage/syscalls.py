"""The one door to the disk: every system call that changes a file goes through ``calls``, so that a test can fail any.

``durable`` and ``locks`` call nothing of ``os`` that writes. A test replaces ``syscalls.calls`` by a double that fails
the n-th call, writes short, or forgets what was not synchronised, and looks at what is left on the disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from contrapose.errors import StorageError

Result = TypeVar("Result")
Buffer = bytes | bytearray | memoryview

#: File systems without file locks answer with one of these.
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}

#: File systems that cannot reserve space answer with one of these.
_CANNOT_ALLOCATE = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

#: Folders of some network and FUSE file systems cannot be synchronised, and say so with one of these.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}

_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose a folder on another disk, then run again.",
    errno.EDQUOT: "Your disk quota is used up: delete something, or choose another folder, then run again.",
    errno.EFBIG: "The file is larger than the file system or `ulimit -f` allows: choose another folder.",
    errno.EACCES: "You may not write there: change the permissions (chmod, chown) or choose another folder.",
    errno.EPERM: "You may not write there: change the permissions (chmod, chown) or choose another folder.",
    errno.EROFS: "The file system is read-only: choose a folder on another disk.",
    errno.ENOENT: "It or its folder does not exist (deleted or moved meanwhile?): check the path, then run again.",
    errno.ENOTDIR: "A part of the path is a file, not a folder: choose another path.",
    errno.EISDIR: "There is a folder of this name: choose another path.",
    errno.ENOTEMPTY: "Something appeared there meanwhile: make sure that only one process writes there.",
    errno.EEXIST: "Something of this name exists already: choose another path.",
    errno.ENAMETOOLONG: "Choose a shorter path.",
    errno.ELOOP: "The path is a symbolic link where none is expected: remove the link or choose another path.",
    errno.EIO: "The disk or the network share reports a fault: look into the system log, or choose another disk.",
    errno.EMFILE: "Too many files are open: raise `ulimit -n`, then run again.",
    errno.EINTR: "A signal came in between: run again.",
}


class Syscalls:
    """The system calls, one method each. A test double overrides some of them."""

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: Buffer) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def allocate(self, descriptor: int, size: int) -> None:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            os.posix_fallocate(descriptor, 0, size)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def mkdir(self, path: Path, mode: int = 0o700) -> None:
        os.mkdir(path, mode)

    def rmdir(self, path: Path) -> None:
        os.rmdir(path)

    def listdir(self, path: Path) -> list[str]:
        return os.listdir(path)

    def flock(self, descriptor: int, operation: int) -> None:
        fcntl.flock(descriptor, operation)


#: The one instance that everything uses. Tests replace it; nothing else does.
calls: Syscalls = Syscalls()


@contextmanager
def reporting(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError of the block into a :class:`StorageError` that names ``path`` and says what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, "Check the folder and the disk, then run again.")
        raise StorageError(f"cannot {doing} {path}: {reason}. {remedy}") from error


def uninterrupted(call: Callable[[], Result]) -> Result:
    """Repeat a call that a signal cut short (EINTR) before it did anything."""
    while True:
        try:
            return call()
        except InterruptedError:
            continue


def write_all(descriptor: int, data: Buffer) -> None:
    """Write every byte: a call may write less than it was given, so continue until all is written or one fails."""
    rest = memoryview(data).cast("B")
    while rest:
        written = uninterrupted(partial(calls.write, descriptor, rest))
        if written <= 0:
            raise OSError(errno.EIO, "write made no progress")
        rest = rest[written:]


def reserve(path: Path) -> None:
    """Take the disk space of every byte of a file that has holes, where the file system can.

    A full disk is an OSError here; where a mapped file is written to later, it ends the process (SIGBUS).
    """
    descriptor = uninterrupted(lambda: calls.open(path, os.O_RDWR))
    try:
        reserve_open(descriptor)
    finally:
        calls.close(descriptor)


def reserve_open(descriptor: int) -> None:
    """:func:`reserve` of an open file."""
    try:
        uninterrupted(lambda: calls.allocate(descriptor, os.fstat(descriptor).st_size))
    except OSError as error:
        if error.errno not in _CANNOT_ALLOCATE:
            raise


def wait_for_lock(descriptor: int) -> None:
    """Wait until no other open description of this file is locked; closing ours gives the lock back."""
    try:
        uninterrupted(lambda: calls.flock(descriptor, fcntl.LOCK_EX))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` (new, renamed, deleted) survive a power cut."""
    descriptor = uninterrupted(lambda: calls.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    try:
        uninterrupted(lambda: calls.fsync(descriptor))
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        calls.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file, a link (never what it points to) or a folder with all that is in it; absent is fine."""
    try:
        if path.is_dir() and not path.is_symlink():
            for name in calls.listdir(path):
                remove(path / name)
            calls.rmdir(path)
        else:
            calls.unlink(path)
    except FileNotFoundError:
        return
