"""Trials, what experiments are made of: each is measured once, whoever asks, however often the work is interrupted.

    FOLDER/trials.jsonl               a ledger: one line per finished trial: key, factors, options, values, facts
    FOLDER/evidence/ID.safetensors    the rows behind its values, for paired comparison
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
from typing import Any

import numpy as np

from contrapose.errors import RunLocked, TrainingDiverged
from contrapose.ledger import Entry, Ledger, environment, record
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
class Measured:
    """values: task -> {"metric", "protocol", "value", "low", "high", "rows"}; facts: any other numbers and words.

    evidence: "task|metric|values" and "task|metric|gold", as the ledger keeps them.
    """

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, np.ndarray] = field(default_factory=dict)


class TrialWatcher:
    """Told what happens; this one says nothing."""

    def begun(self, done: int, total: int, trial: Trial) -> None:
        """``done`` of ``total`` are finished, and this process takes ``trial``."""

    def ended(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """A trial of this process is finished and recorded."""

    def waiting(self, others: int) -> None:
        """Nothing is left to take; other processes work on ``others`` trials."""


#: Trains and measures a trial in the folder it is given, which may hold what an interrupted attempt left.
Measure = Callable[[Trial, Path], Measured]


class Trials:
    """The trials of one experiment, in one folder."""

    def __init__(self, folder: str | Path, *, experiment: str, name: str = "trials.jsonl") -> None:
        self.folder, self.experiment = Path(folder), experiment
        self.ledger = Ledger(folder, name)

    def rows(self) -> dict[str, Entry]:
        """Finished trials by key, oldest first."""
        return {str(entry.body.get("key")): entry for entry in self.ledger.entries("trial")}

    def run(
        self, trials: Sequence[Trial], measure: Measure, watcher: TrialWatcher | None = None
    ) -> list[Entry]:
        """Measure all that is not measured yet; the entries of ``trials``, in their order.

        A trial that diverges is recorded with the reason in ``facts["failed"]`` and no values. Every other error ends
        the run, and the same call goes on later. Raises :class:`StorageError` for a folder that cannot be written.
        """
        watcher = watcher or TrialWatcher()
        wanted = {trial.key: trial for trial in trials}
        while True:
            done = self.rows()
            left = [trial for key, trial in wanted.items() if key not in done]
            if not left:
                return [done[trial.key] for trial in trials]
            taken = [self._take(trial, wanted, measure, watcher) for trial in left]
            if not any(taken):
                watcher.waiting(len(left))
                time.sleep(PATIENCE)

    def _take(
        self, trial: Trial, wanted: Mapping[str, Trial], measure: Measure, watcher: TrialWatcher
    ) -> bool:
        """Measure ``trial`` unless another process does or did; whether this one did."""
        place = self.folder / "work" / trial.key
        try:
            lock, _ = locked_folder(place)
        except RunLocked:
            return False
        try:
            done = self.rows()
            if trial.key in done:
                return False
            count = sum(key in done for key in wanted)
            watcher.begun(count, len(wanted), trial)
            entry = self._measured(trial, measure, place)
            watcher.ended(count + 1, len(wanted), entry.body)
            return True
        finally:
            if trial.key in self.rows():
                remove_tree(place)
            lock.release()

    def _measured(self, trial: Trial, measure: Measure, place: Path) -> Entry:
        began = time.monotonic()
        try:
            measured = measure(trial, place)
        except TrainingDiverged as error:
            measured = Measured(facts={"failed": str(error)})
        body = {
            "experiment": self.experiment,
            "key": trial.key,
            "factors": dict(trial.factors),
            "options": dict(trial.options),
            "values": {task: dict(value) for task, value in measured.values.items()},
            "facts": dict(measured.facts),
            "seconds": round(time.monotonic() - began, 1),
        }
        entry = self.ledger.append(
            "trial", {**body, "versions": environment()["versions"]}, measured.evidence
        )
        record("trial", {**body, "name": self.experiment, "folder": str(self.folder.resolve())})
        return entry
