"""Folders of trials: a sweep over hyperparameters, or a comparison of methods, summed up over seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import CorruptFile
from contrapose.foreign import finite_number, parse_json
from contrapose.report.record import Cell, TrialsFolder, TrialTask

TRIALS = "trials.jsonl"
SEED = "seed"
RESULTS = "results.json"


def is_trials(folder: Path) -> bool:
    """Whether a sweep or a comparison wrote the folder."""
    return (folder / TRIALS).is_file()


def open_trials(folder: Path) -> TrialsFolder:
    """Read ``trials.jsonl``. Raises :class:`CorruptFile` where it holds no trial."""
    path = folder / TRIALS
    try:
        lines = [
            line for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()
        ]
    except OSError as error:
        raise CorruptFile(f"{printable(path, 300)} cannot be read: {error.strerror}") from None
    trials = [trial for line in lines if (trial := _trial(line)) is not None]
    if not trials:
        raise CorruptFile(
            f"{printable(path, 300)} holds no trial: each line is an object with 'factors' and 'values'. "
            "Run the sweep or the comparison again; finished trials are kept"
        )
    lost = len(lines) - len(trials)
    notes: tuple[str, ...] = ()
    if lost:
        notes = (f"{lost:,} of {len(lines):,} lines of {TRIALS} are no trials and left out",)
    said, region, stale = _said(folder, len(trials))
    notes += stale
    varied = _varied(trials)
    numeric = tuple(name for name in varied if _is_numeric(trials, name))
    return TrialsFolder(
        name=folder.resolve().name,
        folder=str(folder),
        trials=len(trials),
        varied=(*numeric, *(name for name in varied if name not in numeric)),
        numeric=numeric,
        tasks=tuple(_tasks(trials, varied)),
        notes=notes,
        said=said,
        region=region,
    )


def _said(
    folder: Path, trials: int
) -> tuple[tuple[str, ...], tuple[Mapping[str, Any], ...] | None, tuple[str, ...]]:
    """(words, region, notes): what the folder's own result says, where it was made of exactly these trials."""
    try:
        read = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return (), None, ()
    if not isinstance(read, Mapping):
        return (), None, ()
    settings, methods = _objects(read.get("settings")), _objects(read.get("methods"))
    counted = sum(
        _count(each.get("scores")) + int(finite_number(each.get("diverged")) or 0) for each in settings
    )
    counted += sum(_count(each.get("seeds")) + _count(each.get("failed")) for each in methods)
    if counted != trials:
        note = f"{RESULTS} is of {counted:,} trials and {TRIALS} holds {trials:,}: give the command again for its words"
        return (), None, (note,)
    words = read.get("in_words") or read.get("verdicts")
    said = tuple(str(line) for line in words) if isinstance(words, list) else ()
    return said, tuple(_objects(read.get("region"))) if settings else None, ()


def _objects(found: Any) -> list[Mapping[str, Any]]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _count(found: Any) -> int:
    return len(found) if isinstance(found, list) else 0


def _trial(line: str) -> dict[str, Any] | None:
    try:
        read = parse_json(line)
    except ValueError:
        return None
    ok = isinstance(read, dict) and all(isinstance(read.get(key), dict) for key in ("factors", "values"))
    return read if ok else None


def _varied(trials: Iterable[Mapping[str, Any]]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial["factors"].items():
            seen.setdefault(name, set()).add(json.dumps(value, sort_keys=True))
    return [name for name, values in seen.items() if name != SEED and len(values) > 1]


def _is_numeric(trials: Iterable[Mapping[str, Any]], name: str) -> bool:
    return all(
        finite_number(trial["factors"][name]) is not None for trial in trials if name in trial["factors"]
    )


def _tasks(trials: list[dict[str, Any]], varied: list[str]) -> list[TrialTask]:
    found: dict[tuple[str, str, str], dict[str, tuple[dict[str, Any], list[float]]]] = {}
    count: dict[str, int] = {}
    for trial in trials:
        factors = {name: trial["factors"].get(name) for name in varied}
        setting = json.dumps(factors, sort_keys=True)
        count[setting] = count.get(setting, 0) + 1
        for task, told in trial["values"].items():
            if not isinstance(told, Mapping) or (value := finite_number(told.get("value"))) is None:
                continue
            key = (str(task), str(told.get("metric", "")), str(told.get("protocol", "")))
            found.setdefault(key, {}).setdefault(setting, (factors, []))[1].append(value)
    return [
        TrialTask(
            task=task,
            metric=metric,
            protocol=protocol,
            cells=tuple(
                Cell(
                    factors=factors,
                    mean=mean(values),
                    deviation=stdev(values) if len(values) > 1 else None,
                    seeds=len(values),
                    diverged=count[setting] - len(values),
                )
                for setting, (factors, values) in cells.items()
            ),
        )
        for (task, metric, protocol), cells in found.items()
    ]
