"""The exceptions users meet; each says what happened, where, and what to do.

Every error that a user can cause is a :class:`ContraposeError`. The command line prints its message without a
traceback and exits with its ``exit_code``: 1 failure, 2 usage, 130 interrupted. (3, partial, is no error: the work
was done, and some rows were left out; verbs return it themselves.)
"""

from __future__ import annotations

from typing import Any

#: What the module of a file given as ``--method FILE.py`` is named by: an error that came through one is that file's.
METHOD_MODULE = "contrapose_method_"


class ContraposeError(Exception):
    """Base of all errors that are meant for the user rather than for the developer."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """An error of another process arrives with its message, whatever its class is made from."""
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[ContraposeError], args: tuple[Any, ...], state: dict[str, Any]) -> ContraposeError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(ContraposeError, ValueError):
    """An option, a name or a configuration value that cannot be used as given."""

    exit_code = 2


class MissingExtra(UsageError):
    """A feature needs an optional dependency; the message holds the command that installs it."""

    def __init__(self, feature: str, extra: str, package: str) -> None:
        from contrapose.installing import install_command

        super().__init__(
            f"{feature} needs the package '{package}'. Install it with: {install_command(extra)}"
        )


class DataError(ContraposeError):
    """Input data that cannot be read or is not what its name promises."""


class EmptyCorpus(DataError):
    """No row is left to work on."""


class TooManyBadRows(DataError):
    """The share of malformed rows is above the configured limit, so the file is probably not what it seems."""


class ModelError(ContraposeError):
    """A model folder or name that cannot be loaded as a sentence encoder."""


class UnsafeModel(ModelError):
    """A model folder that holds code, pickled data or paths that lead out of it."""


class CorruptFile(ContraposeError):
    """A file whose content does not match its manifest or its format."""


class CorruptCheckpoint(CorruptFile):
    """A checkpoint that is damaged; the message names the file."""


class StorageError(ContraposeError):
    """The disk is full, read-only or gone."""


class RunLocked(ContraposeError):
    """Another process is at work in this run folder."""


class ProcessLost(ContraposeError):
    """Another process of the same training ended, with a message of its own."""


class ClusterError(ContraposeError):
    """A cluster that does not answer, or that loses its workers again and again."""


class ResumeRefused(UsageError):
    """The run cannot be continued: its configuration or its data are not what they were."""


class TrainingDiverged(ContraposeError):
    """Too many steps in a row had a non-finite loss or gradient."""


class Interrupted(ContraposeError):
    """Ctrl-C or SIGTERM arrived; the step was finished and saved."""

    exit_code = 130

    def __init__(self, message: str, *, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """The known word closest to a misspelt one, as a hint that ends a message's sentence, or the full stop alone.

    >>> nearest("temprature", ["margin", "temperature"])
    ". Did you mean 'temperature'?"
    >>> nearest("zzz", ["margin"])
    '.'
    """
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f". Did you mean '{close[0]}'?" if close else "."
