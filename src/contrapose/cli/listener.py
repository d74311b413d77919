"""The training loop's listener, drawn by :class:`contrapose.cli.progress.TrainingView`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contrapose.cli.progress import TrainingView
from contrapose.listening import Listener


class ShownListener(TrainingView, Listener):
    """What a person sees of a run."""


class SilentListener(Listener):
    """For the other processes of a run: they do what the first one does, and it tells."""

    notices: tuple[str, ...] = ()

    def notice(self, text: str) -> None:
        """The first process says the same."""

    def preparing(self, what: str) -> None:
        """The first process says the same."""

    def stopping(self) -> None:
        """The first process says the same."""


@contextmanager
def listening(*, quiet: bool, speaks: bool) -> Iterator[ShownListener | SilentListener]:
    """The listener of this process; at the end its bar is gone."""
    if not speaks:
        yield SilentListener()
        return
    with ShownListener(quiet=quiet) as view:
        yield view
