"""Optuna's storage for a sweep: its journal file, or a database by its URL, whose password no message holds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contrapose.errors import MissingExtra, StorageError, UsageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study


def require_optuna() -> None:
    """Raise :class:`MissingExtra` where Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise MissingExtra("a sweep", "sweep", "optuna") from None


def open_study(name: str, storage: str, *, journal: bool) -> Study:
    """The study of that name, made where there is none. ``journal``: ``storage`` is a file."""
    from optuna import create_study

    with quiet_optuna():
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
def quiet_optuna() -> Iterator[None]:
    """Optuna tells of every study and warns of experiments of its own; neither is for the person here."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
