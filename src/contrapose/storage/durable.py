"""What must survive kill -9: atomic files, fsync, manifests, checksums, locks. One seam for fault injection.

Files and folders ("trees") are written under a temporary name beside their place, synchronised, and renamed. After a
crash at any moment a name holds what it held before or all of the new content; once a function has returned, the new
content also survives a power cut. Every failure is a :class:`StorageError` that names the path and a remedy.

What a killed process leaves behind is called ``.contrapose-MACHINE-PID-PROCESS-RANDOM.tmp``; the next writer into the
same folder deletes it if that process is gone (another machine's: if it is a day old).

Trees that are kept side by side (checkpoints) should get names of their own. ``write_tree(..., replace=True)`` sets
the old tree aside as the sibling ``.NAME.previous`` and deletes it when the new one is in place; whoever finds only the
sibling puts it back (:func:`verify_tree` and the next :func:`write_tree` do). One process may write a tree at a time:
hold a :class:`RunLock`. A symbolic link under the target's name is replaced, not followed. Files are private (0600,
folders 0700, less the umask). POSIX only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from contrapose.errors import UsageError
from contrapose.storage import syscalls
from contrapose.storage.locks import RunLock
from contrapose.storage.manifests import (
    MANIFEST_NAME,
    ManifestEntry,
    check_names,
    is_tree,
    manifest_bytes,
    verify_members,
)
from contrapose.storage.staging import discard, new_file, sweep, temporary
from contrapose.storage.syscalls import reporting

__all__ = [
    "MANIFEST_NAME",
    "ManifestEntry",
    "RunLock",
    "append_line",
    "atomic_file",
    "remove_tree",
    "sha256_file",
    "verify_tree",
    "write_bytes",
    "write_json",
    "write_text",
    "write_tree",
]

logger = logging.getLogger(__name__)

AnyPath = str | os.PathLike[str]

#: Seconds that a reader gives a writer that is just between its two renames.
_REPLACE_PAUSE = 0.2


def write_bytes(path: AnyPath, data: bytes) -> None:
    """Write a whole file or nothing, replacing the old one at once. Its folder must exist."""
    with atomic_file(path) as file:
        file.write(data)


def write_text(path: AnyPath, text: str) -> None:
    """:func:`write_bytes` of ``text`` as UTF-8, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: AnyPath, value: Any) -> None:
    """:func:`write_bytes` of ``value`` as indented JSON (NaN stays ``NaN``, as Python reads it back).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_json(Path(folder) / "state.json", {"step": 3})
    ...     os.listdir(folder), (Path(folder) / "state.json").read_text()
    (['state.json'], '{\\n  "step": 3\\n}\\n')
    """
    write_bytes(path, (json.dumps(value, indent=2) + "\n").encode("ascii"))


@contextmanager
def atomic_file(path: AnyPath) -> Iterator[BinaryIO]:
    """A binary file to write into; it appears under ``path`` when the block ends, or not at all if that fails.

    An exception in the block leaves the old file as it was. The file cannot seek.
    """
    target = _absolute(path)
    sweep(target.parent)
    growing = temporary(target.parent)
    try:
        with new_file(growing, target) as sink:
            yield cast(BinaryIO, sink)
        with reporting(target):
            syscalls.calls.rename(growing, target)
        with reporting(target, "make sure that the disk holds"):
            syscalls.sync_folder(target.parent)
    except BaseException:
        discard(growing)
        raise


def append_line(path: AnyPath, text: str, *, sync: bool = False) -> None:
    """Append one line by one system call; if the disk is full, the part that went in is cut off again.

    Threads and processes that append to the same file take turns (a lock on the file while the line goes in, where the
    file system has locks): nobody takes another's line in the making for a torn one, or cuts it off. A torn last line
    that a power cut left behind is ended first, so it cannot swallow this one. ``sync`` also waits until the disk has
    it. Raises ValueError if ``text`` holds a line break.
    """
    if "\n" in text:
        raise ValueError(f"append_line takes one line, got {text.count(chr(10)) + 1}")
    target = _absolute(path)
    with reporting(target, "append to"):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = syscalls.uninterrupted(lambda: syscalls.calls.open(target, flags))
        try:
            syscalls.wait_for_lock(descriptor)
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            line = ("\n" * torn + text + "\n").encode("utf-8")
            try:
                syscalls.write_all(descriptor, line)
            except OSError:
                if size < os.fstat(descriptor).st_size < size + len(line):
                    syscalls.calls.truncate(descriptor, size)
                raise
            if sync:
                syscalls.uninterrupted(lambda: syscalls.calls.fsync(descriptor))
                if size == 0:
                    syscalls.sync_folder(target.parent)
        finally:
            syscalls.calls.close(descriptor)


def sha256_file(path: AnyPath) -> str:
    """The SHA-256 of a file's content, as 64 hex digits."""
    with reporting(_absolute(path), "read"), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tree(
    folder: AnyPath, files: Mapping[str, bytes | Callable[[BinaryIO], object]], *, replace: bool = False
) -> None:
    """Write a folder that is whole or invisible, with a manifest of the size and SHA-256 of every file.

    files: from plain relative names ("state.json", "1_Pooling/config.json") to their bytes, or to a function that
    writes them into the file it is given.

    Raises :class:`UsageError` for an unsafe name, or if ``folder`` exists and holds anything (``replace=True`` replaces
    it with all that is in it, if it is such a tree); :class:`StorageError` if the disk refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     write_tree(Path(parent) / "step-1", {"state.json": b"{}", "model.bin": lambda file: file.write(b"abc")})
    ...     sorted((name, entry.size) for name, entry in verify_tree(Path(parent) / "step-1").items())
    [('model.bin', 3), ('state.json', 2)]
    """
    target = _absolute(folder)
    check_names(files)
    _restore(target)
    _check_target(target, replace)
    sweep(target.parent)
    staged = temporary(target.parent)
    try:
        _fill(staged, files, target)
        with reporting(target):
            _put_in_place(staged, target)
    except BaseException:
        discard(staged)
        raise


def verify_tree(folder: AnyPath, *, leave_out: Collection[str] = ()) -> dict[str, ManifestEntry]:
    """Check every file of a tree against its manifest; the entries by name. Files not in the manifest are ignored.

    ``leave_out``: files that are not read here.

    Raises :class:`CorruptCheckpoint` naming the first file that is missing, cut, grown, changed or swapped, or a
    manifest that is none; :class:`StorageError` if there is no such folder or it may not be read. If a replacing
    writer died half-way, the previous tree is put back first.
    """
    target = _absolute(folder)
    _restore(target)
    return verify_members(target, leave_out=leave_out)


def remove_tree(folder: AnyPath) -> None:
    """Delete a folder so that a kill half-way leaves no part of it under its name. Absent is fine.

    Raises :class:`StorageError` if it cannot be taken away.
    """
    target = _absolute(folder)
    with reporting(target, "delete"):
        for path in (_previous(target), target):  # the other order could bring the previous version back
            if os.path.lexists(path):
                _throw_away(path)


def _put_in_place(staged: Path, target: Path) -> None:
    previous = _previous(target)
    if not _absent(target):
        if os.path.lexists(previous):  # left by a process that died while deleting it
            _throw_away(previous)
        syscalls.calls.rename(target, previous)
    try:
        syscalls.calls.rename(staged, target)
    except OSError:
        with suppress(OSError):  # if this fails too, the next reader or writer does it
            if _absent(target):
                syscalls.calls.rename(previous, target)
        raise
    syscalls.sync_folder(target.parent)
    if os.path.lexists(previous):
        _throw_away(previous)


def _throw_away(path: Path) -> None:
    """Delete in two steps: a rename, which is atomic, and the slow rest under a name that the next writer sweeps."""
    rubbish = temporary(path.parent)
    try:
        syscalls.calls.rename(path, rubbish)
        syscalls.sync_folder(path.parent)
    finally:
        discard(rubbish)


def _restore(target: Path) -> None:
    """Put the previous tree back if a replacing writer died between its two renames."""
    previous = _previous(target)
    deadline = time.monotonic() + _REPLACE_PAUSE
    with reporting(target, f"look for {previous} beside"):
        while os.path.lexists(previous) and _absent(target):
            if time.monotonic() < deadline:
                time.sleep(_REPLACE_PAUSE / 20)
                continue
            syscalls.calls.rename(previous, target)
            syscalls.sync_folder(target.parent)
            logger.warning("%s: its replacement was interrupted; the previous version was put back", target)


def _fill(staged: Path, files: Mapping[str, bytes | Callable[[BinaryIO], object]], target: Path) -> None:
    folders = sorted(
        {parent for name in files for parent in (staged / name).parents if staged in parent.parents}
    )
    with reporting(target):
        for folder in (staged, *folders):
            syscalls.calls.mkdir(folder)
    entries = []
    for name, content in files.items():
        with new_file(staged / name, target / name) as sink:
            if callable(content):
                content(cast(BinaryIO, sink))
            else:
                sink.write(content)
        entries.append(ManifestEntry(name, sink.tell(), sink.digest.hexdigest()))
    with new_file(staged / MANIFEST_NAME, target / MANIFEST_NAME) as sink:
        sink.write(manifest_bytes(entries))
    with reporting(target):
        for folder in (*reversed(folders), staged):
            syscalls.sync_folder(folder)


def _check_target(target: Path, replace: bool) -> None:
    with reporting(target, "look into"):
        if _absent(target) or (replace and is_tree(target)):
            return
    if not replace:
        raise UsageError(f"{target} exists already. Choose another name, or delete it first.")
    raise UsageError(
        f"{target} is not replaced: it holds no {MANIFEST_NAME} of contrapose, so it may be something else of yours. "
        "Choose another name, or delete it first."
    )


def _absolute(path: AnyPath) -> Path:
    return Path(os.path.abspath(path))


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _absent(path: Path) -> bool:
    """Nothing there, or an empty folder, which a rename replaces like nothing."""
    if not os.path.lexists(path):
        return True
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
