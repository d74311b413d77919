"""Ctrl-C after OpenVINO: the stack that handlers of signals run on is put back as it was.

OpenVINO gives the calling thread a stack of its own for handlers, for processors with AMX, and frees it when its core
goes. Of two cores the first one's stack is often the one that is left, freed: the next signal, Ctrl-C too, would then
end the process with a segmentation fault, and nothing of it could be told or saved.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Inside the block a library may exchange this thread's alternate signal stack; behind it, it is as before.

    What set the stack frees it later by itself, which does no harm to a stack that is not in use.
    """
    if not sys.platform.startswith("linux"):  # elsewhere OpenVINO sets none
        yield
        return
    exchange = ctypes.CDLL(None).sigaltstack
    before = _Stack()
    exchange(None, ctypes.byref(before))
    try:
        yield
    finally:
        exchange(ctypes.byref(before), None)
