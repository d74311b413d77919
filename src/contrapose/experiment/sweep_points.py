"""Which settings a sweep tries next: Optuna's study, in a storage that processes and machines share.

    FOLDER/study.journal    Optuna's journal file, unless ``--storage`` names a database
    FOLDER/work/point-N/    a setting in progress; its lock ends with the process that holds it

A grid and random draws are known beforehand; TPE looks at what is finished. The
setting of a process that was killed is taken over by the next one that asks. Of the study nothing is taken but which
settings there are: numbers come from the folder's ledger.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import RunLocked
from contrapose.experiment.ranges import Factor
from contrapose.experiment.sweep_storage import open_study, quiet_optuna
from contrapose.seeds import derive
from contrapose.storage.durable import RunLock, remove_tree
from contrapose.storage.locks import turn
from contrapose.storage.staging import locked_folder

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

SEARCHES = ("tpe", "random", "grid")
JOURNAL = "study.journal"


@dataclass(frozen=True)
class Point:
    """A setting to try: its number in the study, and the value of each factor."""

    number: int
    values: Mapping[str, Any]


class Points:
    """The settings of one sweep. ``total``: how many it will have."""

    def __init__(
        self,
        folder: Path,
        factors: Sequence[Factor],
        *,
        name: str,
        search: str,
        count: int,
        per_range: int,
        storage: str | None = None,
        seed: int = 0,
    ) -> None:
        self._folder, self._factors, self._search, self._seed = folder, factors, search, seed
        with self._turn():
            self._home = _identity(folder)
        self._study = open_study(name, storage or str(folder / JOURNAL), journal=storage is None)
        self._queue = _queue(factors, search, count, per_range, seed)
        self.total = count if search == "tpe" else len(self._queue)

    @contextmanager
    def next(self) -> Iterator[Point | None]:
        """A setting that is this process's inside the block, or None where none is free."""
        with self._turn():
            taken = self._abandoned() or self._new()
        if taken is None:
            yield None
            return
        point, lock = taken
        try:
            yield point
        finally:
            if self._finished(point.number):
                remove_tree(self._place(point.number))
            lock.release()

    def tell(self, point: Point, score: float | None, rows: Sequence[Mapping[str, Any]]) -> None:
        """The setting is measured; None where it diverged. rows: what other folders need to know of it."""
        from optuna.trial import TrialState

        self._study.set_user_attr(f"rows of {point.number}", json.dumps(rows))
        if score is None:
            self._study.tell(point.number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self._study.tell(point.number, score, skip_if_finished=True)

    def measured(self) -> list[Point]:
        """Every setting that is finished, in the order of the study, wherever it was measured."""
        return [
            _point(trial)
            for trial in self._trials()
            if trial.state.is_finished() and "point" in trial.user_attrs
        ]

    def rows_of_others(self) -> list[dict[str, Any]]:
        """The trials of settings that were measured in other folders, as their ledgers hold them."""
        told = self._study.user_attrs
        return [
            row
            for trial in self._trials()
            if trial.state.is_finished() and trial.user_attrs.get("home") != self._home
            for row in json.loads(told.get(f"rows of {trial.number}", "[]"))
        ]

    def at_work(self) -> int:
        """Settings that other processes of this folder work on."""
        return sum(trial.state.name == "RUNNING" and self._is_mine(trial) for trial in self._trials())

    def _new(self) -> tuple[Point, RunLock] | None:
        from optuna.samplers import PartialFixedSampler, TPESampler

        # A process that was killed while it asked leaves a trial without a point, which is none.
        begun = sum("point" in trial.user_attrs for trial in self._trials())
        if begun >= self.total:
            return None
        with quiet_optuna():
            sampler: BaseSampler = TPESampler(seed=derive(self._seed, "sweep", begun) % 2**32)
            if self._search != "tpe":
                sampler = PartialFixedSampler(self._queue[begun], sampler)
            self._study.sampler = sampler
            trial = self._study.ask({factor.name: distribution(factor) for factor in self._factors})
        values = {factor.name: factor.rounded(trial.params[factor.name]) for factor in self._factors}
        trial.set_user_attr("home", self._home)
        trial.set_user_attr("point", json.dumps(values))
        return Point(trial.number, values), self._lock(trial.number)

    def _abandoned(self) -> tuple[Point, RunLock] | None:
        for trial in self._trials():
            if trial.state.name == "RUNNING" and self._is_mine(trial):
                try:
                    lock = self._lock(trial.number)
                except RunLocked:
                    continue
                if not self._finished(trial.number):
                    return _point(trial), lock
                remove_tree(self._place(trial.number))  # its process ended it between the look and the lock
                lock.release()
        return None

    def _is_mine(self, trial: FrozenTrial) -> bool:
        """Of this folder; machines that share the storage alone have folders of their own."""
        return "point" in trial.user_attrs and trial.user_attrs["home"] == self._home

    def _finished(self, number: int) -> bool:
        return bool(self._trials()[number].state.is_finished())

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _place(self, number: int) -> Path:
        return self._folder / "work" / f"point-{number}"

    def _lock(self, number: int) -> RunLock:
        return locked_folder(self._place(number))[0]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process of the folder asks at a time: no setting is taken twice, and none beyond the count."""
        place = self._folder / "work" / "turn"
        place.mkdir(parents=True, exist_ok=True)
        with turn(place):
            yield


def distribution(factor: Factor) -> BaseDistribution:
    """Optuna's form of a factor."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if factor.choices:
        return CategoricalDistribution(factor.choices)
    if factor.integer:
        return IntDistribution(int(factor.low), int(factor.high))
    return FloatDistribution(factor.low, factor.high, log=factor.log)


def _queue(
    factors: Sequence[Factor], search: str, count: int, per_range: int, seed: int
) -> list[dict[str, Any]]:
    """The settings that are known beforehand; a longer list begins with a shorter one."""
    if search == "grid":
        names = [factor.name for factor in factors]
        grids = [factor.grid(per_range) for factor in factors]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*grids)]
    if search == "tpe":
        return []
    from optuna import create_study
    from optuna.samplers import RandomSampler

    with quiet_optuna():
        drawing = create_study(sampler=RandomSampler(seed=derive(seed, "sweep") % 2**32))
        space = {factor.name: distribution(factor) for factor in factors}
        return [dict(drawing.ask(space).params) for _ in range(count)]


def _identity(folder: Path) -> str:
    """The same for all processes of this folder, and no other's. Two that begin together must take turns to make it."""
    from contrapose.storage.durable import write_text

    place = folder / "home"
    if not place.exists():
        import secrets

        write_text(place, secrets.token_hex(8))
    return place.read_text(encoding="utf-8").strip()


def _point(trial: FrozenTrial) -> Point:
    return Point(trial.number, json.loads(trial.user_attrs["point"]))
