"""What can be told before anything is read: wrong names, a device that is not there, queries that cannot be read."""

from __future__ import annotations

from contrapose.adapt.queries import read_queries
from contrapose.adapt.settings import AdaptSettings
from contrapose.errors import UsageError
from contrapose.train.environment import pick_device


def check(settings: AdaptSettings) -> None:
    """Raise :class:`UsageError` for what could only fail later."""
    if "-" in settings.corpus:
        raise UsageError(
            "adapt reads its text more than once, and standard input can be read only once: write it to a file first"
        )
    pick_device(settings.device)
    if settings.queries is not None:
        read_queries(settings.queries)
