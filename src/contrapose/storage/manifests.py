"""The manifest of a tree: the name, size and SHA-256 of each file, and the check that a folder is what it says.

A manifest may come from anyone, so its names are never trusted as paths: plain relative names only, and nothing that a
symbolic link leads out of the folder.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from contrapose.errors import CorruptCheckpoint, UsageError
from contrapose.storage.syscalls import reporting

MANIFEST_NAME = "manifest.json"

#: Manifests are a few kilobytes; a hostile one is not read into memory whole.
LARGEST_MANIFEST = 16 << 20

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,199}")
_LONGEST_NAME = 500
_FORMAT = "contrapose-tree"
_HEAD = b'{\n "contrapose-tree":'
_DAMAGE = {
    errno.ENOENT: "it is missing",
    errno.ENOTDIR: "it is missing",
    errno.ELOOP: "it is a symbolic link that leads nowhere",
    errno.EIO: "the disk cannot read it",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file of a tree: its relative name, its size in bytes, its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


def name_problem(name: str) -> str:
    """Why ``name`` may not be a file of a tree, or ''.

    >>> name_problem("1_Pooling/config.json")
    ''
    >>> name_problem("../other/model.bin")
    "'..' is not a plain name"
    """
    if len(name) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} characters"
    for part in name.split("/"):
        if not _PART.fullmatch(part):
            return f"{part[:50]!r} is not a plain name"
    return f"{MANIFEST_NAME} is written by contrapose" if name.split("/")[0] == MANIFEST_NAME else ""


def check_names(names: Iterable[str]) -> None:
    """Raise :class:`UsageError` unless these names can stand in one tree."""
    known = set(names)
    if not known:
        raise UsageError("a tree needs at least one file")
    for name in known:
        if problem := name_problem(name):
            raise UsageError(f"cannot write a file named {name!r}: {problem}")
        if inside := [parent for parent in map(str, Path(name).parents) if parent in known]:
            raise UsageError(f"cannot write a file named {name!r}: {inside[0]!r} is a file, not a folder")


def manifest_bytes(entries: Iterable[ManifestEntry]) -> bytes:
    """The manifest file for ``entries``, in a fixed order, with a checksum of the list itself."""
    listed = [asdict(entry) for entry in sorted(entries, key=lambda entry: entry.name)]
    manifest = {_FORMAT: 1, "files": listed, "sha256": _checksum(listed)}
    return (json.dumps(manifest, indent=1) + "\n").encode("ascii")


def is_tree(folder: Path) -> bool:
    """Whether ``folder`` was written as a tree, damaged or not."""
    if not (folder / MANIFEST_NAME).is_file():
        return False
    with open(folder / MANIFEST_NAME, "rb") as file:
        return file.read(len(_HEAD)) == _HEAD


def verify_members(
    folder: Path, *, leave_out: Collection[str] = (), root: Path | None = None
) -> dict[str, ManifestEntry]:
    """Check every file that the manifest of ``folder`` lists; the entries by name.

    ``leave_out``: files that may differ. ``root``: where links may lead, if not only inside ``folder``.
    """
    with reporting(folder, "read"):
        os.stat(folder)
    resolved = os.path.realpath(folder if root is None else root)
    entries = _read_manifest(folder, resolved)
    for entry in entries.values():
        if entry.name not in leave_out:
            _verify_member(folder / entry.name, resolved, entry)
    return entries


def _read_manifest(folder: Path, root: str) -> dict[str, ManifestEntry]:
    path = folder / MANIFEST_NAME
    with _open_regular(path, root) as file:
        content = file.read(LARGEST_MANIFEST)
    try:
        manifest = json.loads(content.decode("ascii"))
        listed = manifest["files"]
        entries = {entry.name: entry for entry in map(_entry, listed)}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _corrupt(path, "it is not a manifest") from None
    if manifest.get(_FORMAT) != 1:
        raise _corrupt(path, f"its {_FORMAT} is not 1; perhaps a newer contrapose wrote it")
    if not entries or len(entries) != len(listed):
        raise _corrupt(path, "it lists no files, or one twice")
    if manifest.get("sha256") != _checksum(listed):
        raise _corrupt(path, "its checksum does not fit its list of files")
    return entries


def _entry(item: Any) -> ManifestEntry:
    entry = ManifestEntry(**item)
    if type(entry.name) is not str or name_problem(entry.name):
        raise ValueError
    if type(entry.size) is not int or not _SHA256.fullmatch(entry.sha256):
        raise ValueError
    return entry


def _verify_member(path: Path, root: str, entry: ManifestEntry) -> None:
    with _open_regular(path, root) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.size:
            fault = "was cut" if size < entry.size else "has grown"
            raise _corrupt(path, f"it {fault}: {size} bytes instead of {entry.size}")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise _corrupt(path, "its content is not what was written (SHA-256 differs)")


@contextmanager
def _open_regular(path: Path, root: str) -> Iterator[BufferedReader]:
    """The file under ``path``, which must be an ordinary one inside ``root``; faults of the disk count as damage."""
    target = os.path.realpath(path)
    if os.path.commonpath([root, target]) != root:
        raise _corrupt(path, "it is a symbolic link that leads out of its folder")
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _corrupt(path, "it is not an ordinary file")
            with open(descriptor, "rb", closefd=False) as file:
                yield file
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in _DAMAGE:
            raise _corrupt(path, _DAMAGE[error.errno]) from None
        with reporting(path, "read"):
            raise


def _checksum(listed: list[Any]) -> str:
    return hashlib.sha256(json.dumps(listed).encode("ascii")).hexdigest()


def _corrupt(path: Path, fault: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"{path} is damaged: {fault}. Use an earlier copy of this folder, or write it again."
    )
