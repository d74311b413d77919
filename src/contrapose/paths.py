"""A path as a person writes it, with ``~`` for a home folder, which not every process has."""

from __future__ import annotations

from pathlib import Path

from contrapose.errors import UsageError


def expanded(path: str | Path) -> Path:
    """``path`` with ``~`` and ``~name`` replaced. Raises UsageError where there is no such home folder, and for a NUL.

    >>> expanded("runs/notes")
    PosixPath('runs/notes')
    """
    if "\0" in str(path):
        raise UsageError(f"{path!s}: a path cannot hold a NUL character")
    try:
        return Path(path).expanduser()
    except (RuntimeError, KeyError):
        name = Path(path).parts[0]
        why = (
            "HOME is not set, and this user has no entry in the system's list"
            if name == "~"
            else "no such user"
        )
        raise UsageError(f"{path}: the home folder that '{name}' stands for is not known ({why})") from None
