"""An experiment's folder: one experiment each, told by ``experiment.json``, so that numbers of two are never mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from contrapose.errors import ContraposeError, CorruptFile, StorageError, UsageError
from contrapose.foreign import cannot_be_read, read_json_object
from contrapose.paths import expanded
from contrapose.storage.durable import remove_tree, write_json
from contrapose.storage.locks import turn
from contrapose.storage.syscalls import reporting
from contrapose.train.claim import make_folder

NAME = "experiment.json"
#: What experiments write at their end. A folder that holds one, and no experiment, would lose it.
RESULTS = ("results.md", "results.json")


def claim(folder: str | Path, kind: str, identity: Mapping[str, Any]) -> Path:
    """Make ``folder`` this experiment's, or find that it is already; the folder.

    identity: what may not change between calls. Several processes may call this at once. While no trial and no run is
    begun, the folder may become another experiment's: who begins a trial asks again, with its folder locked. Raises
    :class:`UsageError` for a folder of another experiment, naming what differs.

    >>> import tempfile
    >>> out = Path(tempfile.mkdtemp()) / "x"
    >>> claim(out, "compare", {"steps": 10}) == claim(out, "compare", {"steps": 10})
    True
    >>> _ = (out / "trials.jsonl").write_text("")
    >>> claim(out, "compare", {"steps": 20})
    Traceback (most recent call last):
    ...
    contrapose.errors.UsageError: ... holds a comparison with other settings (steps: 10 there, 20 now). ...
    """
    folder = expanded(folder)
    mine = json.loads(json.dumps({"kind": kind, **identity}, default=str))
    make_folder(folder)
    if _read(folder / NAME) is None:
        _refuse_foreign(folder)
    work = folder / "work"
    with reporting(work, "make the folder"):
        work.mkdir(exist_ok=True)
    with turn(work):
        there = _read(folder / NAME)
        if there is None or (there != mine and _nothing_done(folder)):
            write_json(folder / NAME, mine)
        elif there != mine:
            raise UsageError(
                f"{folder} holds {_named(there)} ({_difference(there, mine)}). Give the same options to go on with "
                "it, or another --out"
            )
    return folder


def let_go(folder: Path) -> None:
    """Remove an experiment's folder in which nothing was done, so that a refused one leaves none behind."""
    with suppress(ContraposeError, OSError):
        if _nothing_done(folder):
            remove_tree(folder)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_json_object(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CorruptFile(
            f"{path} is no record of an experiment ({cannot_be_read(error)}): choose another --out"
        ) from None


def _nothing_done(folder: Path) -> bool:
    """No trial is finished, none is in progress, and no run was begun, which would be gone on with: what was refused
    at its first trial may be asked for otherwise."""
    begun = (folder / "trials.jsonl").exists() or any(folder.glob("work/*/run.lock"))
    return not begun and not any(folder.rglob("run.json"))


def _refuse_foreign(folder: Path) -> None:
    """A training run's folder, trials without a record, or a user's own results: no place for an experiment."""
    for name in ("run.json", "config.toml", "trials.jsonl", *RESULTS):
        if os.path.lexists(folder / name):
            raise UsageError(f"{folder} holds something else already ({name}): choose another --out")


def _named(there: Mapping[str, Any]) -> str:
    words = {"compare": "a comparison", "sweep": "a sweep", "reproduce": "a reproduction",
             "continue": "a continuation", "federate": "a federation"}  # fmt: skip
    return f"{words.get(str(there.get('kind')), 'another experiment')} with other settings"


def _difference(there: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    if there.get("kind") != mine["kind"]:
        return f"made by contrapose {there.get('kind')}, and this is contrapose {mine['kind']}"
    names = [name for name in {**there, **mine} if there.get(name) != mine.get(name)]
    return "; ".join(
        f"{name}: {_short(there.get(name))} there, {_short(mine.get(name))} now" for name in names
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
