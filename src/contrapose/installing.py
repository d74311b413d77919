"""The command that installs an extra here: from the folder that contrapose came from, or from the index."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

#: The versions that were tested together; without them pip may replace torch by another build.
CONSTRAINTS = "constraints.txt"


def install_command(extra: str, *, anywhere: bool = False) -> str:
    """What a person types to get an extra.

    anywhere: without names of this machine's folders, for text that is read elsewhere.

    >>> install_command("mteb", anywhere=True)
    "pip install -c constraints.txt '.[mteb]'"
    """
    if anywhere:
        return f"pip install -c {CONSTRAINTS} '.[{extra}]'"
    folder, editable = _came_from()
    if folder is None:
        return f"{_pip()} install 'contrapose[{extra}]'"
    options = "-e " if editable else ""
    return f"cd {shlex.quote(str(folder))} && {_pip()} install -c {CONSTRAINTS} {options}'.[{extra}]'"


def _came_from() -> tuple[Path | None, bool]:
    """The folder of the sources and whether it is used in place; None where contrapose came from an index."""
    sources = Path(__file__).resolve().parents[2]
    if _is_checkout(sources):
        return sources, True
    try:
        record: Any = json.loads(distribution("contrapose").read_text("direct_url.json") or "{}")
        address = urlsplit(record["url"])
        editable = bool(record.get("dir_info", {}).get("editable"))
    except (PackageNotFoundError, ValueError, KeyError, TypeError, AttributeError, OSError):
        return None, False
    folder = Path(unquote(address.path))
    return (folder, editable) if address.scheme == "file" and _is_checkout(folder) else (None, False)


def _is_checkout(folder: Path) -> bool:
    return (folder / CONSTRAINTS).is_file() and (folder / "pyproject.toml").is_file()


def _pip() -> str:
    """``pip`` where that is this Python's own, else the long form: another one would install it elsewhere."""
    pip = shutil.which("pip")
    if pip and Path(pip).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(sys.executable)} -m pip"
