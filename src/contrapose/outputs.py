"""The one file that a person names with ``-o``: written whole, where they meant it, and never over what is theirs.

A regular file appears at once or not at all. A symbolic link is followed: what it points to is replaced, and the
link stays. What is no regular file (a device, a named pipe, ``/dev/stdout``) is written through, because a rename
would put a file in its place. An existing file is refused, unless contrapose made it or the person says ``--force``.

How a file is known as made by contrapose: a report says so in its own text (:data:`MARKS`), so the same command writes
it anew. Vectors and corpora are refused always: to make them again may take hours, and arrays have no place for a mark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from contrapose.errors import UsageError
from contrapose.paths import expanded
from contrapose.storage import syscalls
from contrapose.storage.durable import AnyPath, atomic_file
from contrapose.storage.staging import sinking
from contrapose.storage.syscalls import reporting

#: How a text that contrapose made says so, by its format; within this many bytes of its beginning or its end.
MARKS = {
    "html": '<meta name="generator" content="contrapose ',
    "md": "<!-- generator: contrapose -->",
    "json": '"generator": "contrapose"',
}
MARKED_BYTES = 4096

#: Names of the process's own open files. Opening one anew would begin at the start of the file behind it.
_OPEN_FILE = re.compile(
    r"/dev/(?:std(?P<name>in|out|err)|fd/(?P<fd>\d+))|/proc/(?:self|\d+)/fd/(?P<proc>\d+)"
)
_STANDARD = {"in": 0, "out": 1, "err": 2}
#: Links that lead to links; as many as Linux follows.
MOST_LINKS = 40


def check_output(
    path: AnyPath, *, force: bool = False, replace_own: bool = False, option: str = "--out"
) -> None:
    """Raise :class:`UsageError` where ``path`` cannot be written or may not be replaced, before any work is done.

    force         the person says that an existing file may go
    replace_own   an existing file that bears one of :data:`MARKS` may go too
    """
    shown = os.fspath(path)
    check_path(shown, option)
    target = followed(path)
    if _open_file(target) is not None:
        return
    if target.is_dir():
        raise UsageError(f"{option} {shown} is a folder: name a file in it")
    if not target.parent.is_dir():
        parent = target.parent if Path(path).is_symlink() else Path(path).parent
        raise UsageError(f"{option} {shown}: there is no folder {parent}; make it first: mkdir -p {parent}")
    if force or not target.is_file() or (replace_own and is_own(target)):
        return
    whose = "and was not made by contrapose" if replace_own else "already"
    raise UsageError(f"{shown} exists {whose}. Choose another name, or replace it with --force")


def check_path(given: str, option: str) -> None:
    """Raise :class:`UsageError` for what is no path at all."""
    if not given or "\0" in given:
        raise UsageError(f"{option}: a path cannot be empty or hold a NUL character")


@contextmanager
def output_file(path: AnyPath) -> Iterator[BinaryIO]:
    """A binary file to write into, which need not seek; see the module's docstring for what becomes of it."""
    target = followed(path)
    number = _open_file(target)
    if number is None and (not os.path.lexists(target) or target.is_file()):
        with atomic_file(target) as file:
            yield file
        return
    with reporting(target, "open"):
        descriptor = os.dup(number) if number is not None else syscalls.calls.open(target, os.O_WRONLY)
    with sinking(descriptor, target, sync=False) as sink:
        yield cast(BinaryIO, sink)


def write_output(path: AnyPath, text: str) -> None:
    """Write ``text`` as UTF-8."""
    with output_file(path) as file:
        file.write(text.encode("utf-8"))


def is_standard_output(path: AnyPath) -> bool:
    """Whether the path names this process's standard output, to which results go anyway.

    >>> is_standard_output("/dev/stdout"), is_standard_output("report.html")
    (True, False)
    """
    return _open_file(followed(path)) == _STANDARD["out"]


def is_own(path: Path) -> bool:
    """Whether a file says that contrapose made it. A file that cannot be read is not taken for its own."""
    try:
        with path.open("rb") as file:
            ends = file.read(MARKED_BYTES)
            file.seek(max(0, os.fstat(file.fileno()).st_size - MARKED_BYTES))
            ends += file.read(MARKED_BYTES)
    except OSError:
        return False
    return any(mark.encode() in ends for mark in MARKS.values())


def followed(path: AnyPath) -> Path:
    """Where a path leads when the links of its last part are followed. An open file of this process stays as named."""
    target = Path(os.path.abspath(expanded(os.fspath(path))))
    for _ in range(MOST_LINKS):
        if _open_file(target) is not None or not target.is_symlink():
            return target
        target = Path(os.path.abspath(target.parent / os.readlink(target)))
    raise UsageError(f"{os.fspath(path)}: its symbolic links lead in a circle. Choose another name")


def _open_file(path: Path) -> int | None:
    """The number of the open file that a path such as /dev/stdout names."""
    match = _OPEN_FILE.fullmatch(os.fspath(path))
    if match is None:
        return None
    if match["name"]:
        return _STANDARD[match["name"]]
    own = match["fd"] or os.fspath(path).startswith(("/proc/self/", f"/proc/{os.getpid()}/"))
    return int(match["fd"] or match["proc"]) if own else None
