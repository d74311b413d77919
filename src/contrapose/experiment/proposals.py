"""Which configurations a sweep tries, where they are not known beforehand or not known to one folder alone: Optuna's.

    FOLDER/study.journal    Optuna's journal file, unless ``--storage`` names a database
    FOLDER/home             tells the configurations of this folder from those of others that share a database

Nothing is taken from the study but which configurations there are: numbers come from the folder's ledger, and which
process works on what is told by the locks of trials.
"""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import MissingExtra, StorageError, UsageError
from contrapose.experiment.ranges import Factor
from contrapose.seeds import derive
from contrapose.storage.durable import write_text
from contrapose.storage.locks import turn

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

JOURNAL = "study.journal"


@dataclass(frozen=True)
class Point:
    """A configuration: its number in the study, and the value of each factor."""

    number: int
    values: Mapping[str, Any]


def require_optuna() -> None:
    """Raise :class:`MissingExtra` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MissingExtra(
            "--search tpe or --storage (--search random and grid do without)", "sweep", "optuna"
        ) from None


class Proposals:
    """The configurations of one sweep, ``total`` in the end. known: of a grid or drawn at random; None: TPE's."""

    def __init__(
        self,
        folder: Path,
        factors: Sequence[Factor],
        *,
        name: str,
        total: int,
        known: Sequence[Mapping[str, Any]] | None = None,
        storage: str | None = None,
        seed: int = 0,
    ) -> None:
        self.total = total
        self._factors, self._known, self._seed = factors, known, seed
        self._work, home = folder / "work", folder / "home"
        self._work.mkdir(parents=True, exist_ok=True)
        with turn(self._work):
            if not home.exists():
                write_text(home, secrets.token_hex(8))
            self._home = home.read_text(encoding="utf-8").strip()
        self._study = open_study(name, storage or str(folder / JOURNAL), journal=storage is None)

    def propose(self) -> bool:
        """Add a configuration, unless there are enough; one process of the folder at a time."""
        from optuna.samplers import PartialFixedSampler, TPESampler

        with turn(self._work):
            begun = len(self._points())
            if begun >= self.total:
                return False
            with _quiet_optuna():
                sampler: BaseSampler = TPESampler(seed=derive(self._seed, "sweep", begun) % 2**32)
                if self._known is not None:
                    sampler = PartialFixedSampler(dict(self._known[begun]), sampler)
                self._study.sampler = sampler
                trial = self._study.ask({factor.name: _distribution(factor) for factor in self._factors})
            values = {factor.name: factor.rounded(trial.params[factor.name]) for factor in self._factors}
            trial.set_user_attr("home", self._home)
            trial.set_user_attr("point", json.dumps(values))
            return True

    def unfinished(self) -> list[Point]:
        """The configurations of this folder that are not yet :meth:`tell`'s, oldest first."""
        return [
            _point(trial)
            for trial in self._points()
            if trial.state.name == "RUNNING" and trial.user_attrs["home"] == self._home
        ]

    def measured(self) -> list[Mapping[str, Any]]:
        """Every configuration that is finished, in the order of the study, wherever it was measured."""
        return [_point(trial).values for trial in self._points() if trial.state.is_finished()]

    def tell(self, point: Point, score: float | None, rows: Sequence[Mapping[str, Any]]) -> None:
        """It is measured; None where it diverged. rows: of the ledger, for folders that share the storage."""
        from optuna.trial import TrialState

        state = TrialState.FAIL if score is None else None
        with turn(self._work):
            if point in self.unfinished():  # else another process of the folder was first
                self._study.set_user_attr(f"rows of {point.number}", json.dumps(rows))
                self._study.tell(point.number, score, state=state)

    def rows_of_others(self) -> list[dict[str, Any]]:
        """The trials of configurations that were measured in other folders, as their ledgers hold them."""
        rows = self._study.user_attrs
        return [
            row
            for trial in self._points()
            if trial.state.is_finished() and trial.user_attrs["home"] != self._home
            for row in json.loads(rows.get(f"rows of {trial.number}", "[]"))
        ]

    def _points(self) -> list[FrozenTrial]:
        """A process that was killed while it asked leaves a trial without a point, which is none."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if "point" in trial.user_attrs]


def _point(trial: FrozenTrial) -> Point:
    return Point(trial.number, json.loads(trial.user_attrs["point"]))


def _distribution(factor: Factor) -> BaseDistribution:
    """Optuna's form of a factor."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if factor.choices:
        return CategoricalDistribution(factor.choices)
    if factor.integer:
        return IntDistribution(int(factor.low), int(factor.high))
    return FloatDistribution(factor.low, factor.high, log=factor.log)


def open_study(name: str, storage: str, *, journal: bool) -> Study:
    """The study of that name, made where there is none. ``journal``: ``storage`` is a file."""
    from optuna import create_study

    with _quiet_optuna():
        made: str | BaseStorage = storage
        try:
            if journal:
                from optuna.storages import JournalStorage
                from optuna.storages.journal import JournalFileBackend

                made = JournalStorage(JournalFileBackend(storage))
            return create_study(storage=made, study_name=name, direction="maximize", load_if_exists=True)
        except (ImportError, ValueError) as error:
            raise UsageError(f"--storage {_without_password(storage)}: {_first_line(error)}") from None
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("sqlalchemy", "optuna"):
                where = _without_password(storage)
                raise StorageError(f"the study in {where} cannot be opened: {_first_line(error)}") from None
            raise


def _without_password(storage: str) -> str:
    """
    >>> _without_password("postgresql://me:secret@host/db")
    'postgresql://***@host/db'
    """
    scheme, mark, rest = storage.partition("://")
    return f"{scheme}{mark}***@{rest.rpartition('@')[2]}" if "@" in rest else storage


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Optuna logs every study and warns of experiments of its own; neither is for the person here."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
