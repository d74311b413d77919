"""Waiting for other processes, as long as a test may take at all: how fast a machine is says nothing about its work."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds, less than the time limit of a test. A machine that does other work besides is slower by any factor.
PATIENCE = 240.0


def wait_until(holds: Callable[[], object], *, at_work: Callable[[], object] = lambda: True) -> None:
    """Until something holds; fails where who should bring it about is no longer at work."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        # It may have ended just after it did what was waited for.
        assert at_work() or holds(), "the process ended before"
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s"
        time.sleep(0.005)
