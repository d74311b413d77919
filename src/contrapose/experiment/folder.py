"""An experiment's folder: one experiment each, told by ``experiment.json``, so that numbers of two are never mixed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contrapose.errors import CorruptFile, StorageError, UsageError
from contrapose.foreign import cannot_be_read, read_json_object
from contrapose.paths import expanded
from contrapose.storage.durable import write_json
from contrapose.train.claim import make_folder

NAME = "experiment.json"
#: What experiments write at their end. A folder that holds one, and no experiment, would lose it.
RESULTS = (
    "results.md",
    "results.json",
    "comparison.png",
    "comparison.svg",
    "sensitivity.png",
    "sensitivity.svg",
)


def claim(folder: str | Path, kind: str, setting: Mapping[str, Any]) -> Path:
    """Make ``folder`` this experiment's, or find that it is already; the folder.

    setting: what may not change between calls. Several processes may call this at once. Raises :class:`UsageError`
    for a folder of another experiment, naming what differs.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "x"
    >>> claim(place, "compare", {"steps": 10}) == claim(place, "compare", {"steps": 10})
    True
    >>> _ = (place / "trials.jsonl").write_text("")
    >>> claim(place, "compare", {"steps": 20})
    Traceback (most recent call last):
    ...
    contrapose.errors.UsageError: ... holds a comparison with other settings (steps: 10 there, 20 now). ...
    """
    folder = expanded(folder)
    mine = json.loads(json.dumps({"kind": kind, **setting}, default=str))
    make_folder(folder)
    there = _read(folder / NAME)
    if there is None or (there != mine and _nothing_done(folder)):
        _refuse_foreign(folder)
        write_json(folder / NAME, mine)
        there = _read(folder / NAME) or mine
    if there != mine:
        raise UsageError(
            f"{folder} holds {_named(there)} ({_difference(there, mine)}). Give the same options to go on with it, "
            "or another --out"
        )
    return folder


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
    """No trial is finished and none is in progress: what was refused at its first trial may be asked for otherwise."""
    return not (folder / "trials.jsonl").exists() and not list(folder.glob("work/*/run.lock"))


def _refuse_foreign(folder: Path) -> None:
    """A training run's folder, trials without a record, or a user's own results: no place for an experiment."""
    for name in ("run.json", "config.toml", "trials.jsonl", *RESULTS):
        if os.path.lexists(folder / name):
            raise UsageError(f"{folder} holds something else already ({name}): choose another --out")


def _named(there: Mapping[str, Any]) -> str:
    words = {"compare": "a comparison", "sweep": "a sweep", "reproduce": "a reproduction"}
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
