"""Ctrl-C and SIGTERM: in a step the first one finishes it and saves, elsewhere it ends the work; the second leaves now.

Python runs its signal handlers between two instructions of the main thread, and a backward pass is one instruction,
which may take a minute. So a thread of its own is woken by the system at once: it answers the first signal, and it
ends the process at the second.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from types import FrameType, TracebackType
from typing import Any, Self

_WATCHED = (signal.SIGINT, signal.SIGTERM)
#: Seconds within which signals count as one: `timeout` and `torchrun` send theirs to the process and to its group.
TOGETHER = 0.5
_SHOW_CURSOR = b"\x1b[?25h\r\n"


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came where there is nothing to finish first."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


class StopRequest:
    """Inside the block, signals set ``received`` instead of tearing the step apart.

    answer: called at the first one at once, from another thread, while the step goes on.
    """

    def __init__(
        self, answer: Callable[[], None] = lambda: None, *, watched: Sequence[int] = _WATCHED
    ) -> None:
        self.received: int | None = None
        self._answer, self._watched = answer, watched
        self._before: dict[int, Any] = {}
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        # Handlers belong to the main thread; elsewhere signals keep their meaning.
        if threading.current_thread() is threading.main_thread():
            _forget_in_children()
            reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._thread = threading.Thread(target=self._watch, args=(reader,), daemon=True, name="signals")
            self._thread.start()
            self._woken_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._handle) for number in self._watched}
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        for number, handler in self._before.items():
            # None: it was set outside Python, and cannot be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self._thread is not None:
            signal.set_wakeup_fd(self._woken_before)
            os.close(self._writer)
            self._thread.join()

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count."""
        return 128 + (self.received or signal.SIGINT)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received = number

    def _watch(self, reader: int) -> None:
        """Reads the numbers of the signals as they come, until the other end is closed."""
        first = None
        with os.fdopen(reader, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] not in self._watched:
                    continue
                if first is None:
                    first = time.monotonic()
                    with suppress(
                        OSError, ValueError
                    ):  # nobody reads the answer: the second signal counts all the same
                        self._answer()
                elif time.monotonic() - first > TOGETHER:
                    _leave_now(number[0])


class StopAtOnce(StopRequest):
    """Inside the block, the first signal raises :class:`Stopped`, so that what was begun is tidied up."""

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            raise Stopped(number)


def _leave_now(number: int) -> None:
    with suppress(OSError):
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)  # a progress bar has hidden it
    os._exit(128 + number)


@cache
def _forget_in_children() -> None:
    """A forked child writes its own signals into the same pipe, where they would count as this process's."""
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
