"""Trials, what experiments are made of: each is measured once, whoever asks, however often the work is interrupted.

    FOLDER/trials.jsonl               a ledger: one line per finished trial: key, factors, options, values, facts
    FOLDER/evidence/ID.safetensors    the per-example scores behind its values, for paired comparison
    FOLDER/work/KEY/                  a trial in progress; its lock ends with the process that holds it

Processes that are given the same folder share the work, on one machine or on several with one file system. A trial
is known by the hash of its options, so a longer list of trials goes on where a shorter one ended.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.errors import RunLocked, TrainingDiverged
from contrapose.ledger import Entry, Ledger, environment, record
from contrapose.listening import Listener
from contrapose.storage.durable import remove_tree
from contrapose.storage.staging import locked_folder

#: Seconds between looks at the trials that other processes work on.
PATIENCE = 2.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """factors: what tables group by (method, seed, temperature ...); options: all that the result depends on."""

    factors: Mapping[str, Any]
    options: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """Equal for equal options, in any order.

        >>> Trial(factors={}, options={"a": 1, "b": 2}).key == Trial(factors={"x": 1}, options={"b": 2, "a": 1}).key
        True
        """
        text = json.dumps(self.options, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """values: task -> {"metric", "protocol", "value", "low", "high", "rows"}; facts: any other numbers and words.

    evidence: per-example scores, "task|metric|values" and "task|metric|gold", as the ledger keeps them.
    """

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, np.ndarray] = field(default_factory=dict)


class TrialListener(Listener):
    """Told what happens to trials, and in their training runs; this one says nothing of trials."""

    def begun(self, done: int, total: int, trial: Trial) -> None:
        """``done`` of ``total`` are finished, and this process takes ``trial``."""

    def ended(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """A trial of this process is finished and recorded."""

    def waiting(self, others: int) -> None:
        """Nothing is left to take; other processes work on ``others`` trials."""


#: Trains and measures a trial in the folder it is given, which may hold what an interrupted attempt left.
Measure = Callable[[Trial, Path], TrialResult]


class Measurer(Protocol):
    """Who measures trials: an experiment, or the start of a table."""

    def measure(self, trial: Trial, folder: Path, listener: TrialListener) -> TrialResult: ...


@dataclass(frozen=True)
class Measuring:
    """A :data:`Measure` that is plain data, so that a process elsewhere can be given it."""

    by: Measurer
    listener: TrialListener

    def __call__(self, trial: Trial, folder: Path) -> TrialResult:
        return self.by.measure(trial, folder, self.listener)


class Trials:
    """The trials of one experiment, in one folder. expected: how many there will be, where some are not yet known."""

    def __init__(
        self, folder: str | Path, *, experiment: str, name: str = "trials.jsonl", expected: int = 0
    ) -> None:
        self.folder, self.experiment, self.expected = Path(folder), experiment, expected
        self.ledger = Ledger(folder, name)

    def rows(self) -> dict[str, Entry]:
        """Finished trials by key, oldest first."""
        return {str(entry.body.get("key")): entry for entry in self.ledger.entries("trial")}

    def run(
        self, trials: Sequence[Trial], measure: Measure, listener: TrialListener | None = None
    ) -> list[Entry]:
        """Measure all that is not measured yet, and wait for what other processes measure; the entries of ``trials``,
        in their order. Raises what :meth:`take` raises.
        """
        listener = listener or TrialListener()
        while True:
            taken = self.take(trials, measure, listener)
            rows = self.rows()
            left = {trial.key for trial in trials} - set(rows)
            if not left:
                return [rows[trial.key] for trial in trials]
            if not taken:
                listener.waiting(len(left))
                time.sleep(PATIENCE)

    def room(self) -> bool:
        """Whether another trial would be begun now, rather than wait for one that is under way."""
        return True

    def take(self, trials: Sequence[Trial], measure: Measure, listener: TrialListener) -> bool:
        """Measure those of ``trials`` that are neither measured nor another process's; whether there was one.

        A trial that diverges is recorded with the reason in ``facts["failed"]`` and no values. Every other error ends
        the work, and the same call goes on later. Raises :class:`StorageError` for a folder that cannot be written.
        """
        wanted = {trial.key: trial for trial in trials}
        rows = self.rows()
        taken = [
            self._take(trial, wanted, measure, listener) for key, trial in wanted.items() if key not in rows
        ]
        return any(taken)

    def _take(
        self, trial: Trial, wanted: Mapping[str, Trial], measure: Measure, listener: TrialListener
    ) -> bool:
        folder = self.folder / "work" / trial.key
        try:
            lock, _ = locked_folder(folder)
        except RunLocked:
            return False
        try:
            rows = self.rows()
            if trial.key in rows:
                return False
            done = len(rows) if self.expected else sum(key in rows for key in wanted)
            total = max(len(wanted), self.expected, done + 1)
            listener.begun(done, total, trial)
            entry = self._measured(trial, measure, folder)
            listener.ended(done + 1, total, entry.body)
            return True
        finally:
            if trial.key in self.rows():
                remove_tree(folder)
            lock.release()

    def _measured(self, trial: Trial, measure: Measure, folder: Path) -> Entry:
        began = time.monotonic()
        try:
            result = measure(trial, folder)
        except TrainingDiverged as error:
            result = TrialResult(facts={"failed": str(error)})
        body = {
            "experiment": self.experiment,
            "key": trial.key,
            "factors": dict(trial.factors),
            "options": dict(trial.options),
            "values": {task: dict(value) for task, value in result.values.items()},
            "facts": dict(result.facts),
            "seconds": round(time.monotonic() - began, 1),
        }
        entry = self.ledger.append("trial", {**body, "versions": environment()["versions"]}, result.evidence)
        record("trial", {**body, "name": self.experiment, "folder": str(self.folder.resolve())})
        return entry
