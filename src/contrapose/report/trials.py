"""Folders of trials: a sweep over hyperparameters, or a comparison of methods, summed up over seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import CorruptFile, UsageError
from contrapose.foreign import finite_number, parse_json_object
from contrapose.report.record import Cell, TrialsFolder, TrialTask

TRIALS, EXPERIMENT = "trials.jsonl", "experiment.json"
SEED = "seed"
RESULTS = "results.json"


def is_trials(folder: Path) -> bool:
    """Whether a sweep or a comparison wrote the folder, or began to."""
    return any((folder / name).is_file() for name in (TRIALS, EXPERIMENT))


def open_trials(folder: Path) -> TrialsFolder:
    """Read ``trials.jsonl``. Raises :class:`UsageError` where there is none yet, :class:`CorruptFile` for no trial."""
    path = folder / TRIALS
    if not path.exists():
        raise UsageError(
            f"{printable(folder, 300)} holds no finished trial yet: give the command of its sweep or comparison again"
        )
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


def _objects(listed: Any) -> list[Mapping[str, Any]]:
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


def _count(listed: Any) -> int:
    return len(listed) if isinstance(listed, list) else 0


def _trial(line: str) -> dict[str, Any] | None:
    try:
        trial = parse_json_object(line)
    except ValueError:
        return None
    return trial if all(isinstance(trial.get(key), dict) for key in ("factors", "values")) else None


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
    """Every task with a cell per setting; a trial without a number of it counts as diverged."""
    settings = [{name: trial["factors"].get(name) for name in varied} for trial in trials]
    keys = [json.dumps(factors, sort_keys=True) for factors in settings]
    factors_of, count = dict(zip(keys, settings, strict=True)), Counter(keys)
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for setting, trial in zip(keys, trials, strict=True):
        for task, measured in trial["values"].items():
            if isinstance(measured, Mapping) and (value := finite_number(measured.get("value"))) is not None:
                key = (str(task), str(measured.get("metric", "")), str(measured.get("protocol", "")))
                values.setdefault(key, {}).setdefault(setting, []).append(value)
    return [
        TrialTask(
            task=task,
            metric=metric,
            protocol=protocol,
            cells=tuple(_cell(factors_of[key], scores, count[key]) for key, scores in by_setting.items()),
        )
        for (task, metric, protocol), by_setting in values.items()
    ]


def _cell(factors: Mapping[str, Any], scores: list[float], trials: int) -> Cell:
    deviation = stdev(scores) if len(scores) > 1 else None
    diverged = trials - len(scores)
    return Cell(factors=factors, mean=mean(scores), deviation=deviation, seeds=len(scores), diverged=diverged)
