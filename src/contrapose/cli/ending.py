"""The end of a command's process: at once, without taking apart what the operating system takes back as a whole.

Taking apart the half a million objects of a model's code is a seventh of a second, which no command has use for.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def end(code: int) -> NoReturn:
    """End the process with this exit code. What is registered with ``atexit`` runs, and output is written out; with
    threads that the program would wait for, it ends as any program does."""
    waited_for = [
        each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()
    ]
    if waited_for:
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by the reader, or by the program
            stream.flush()
    os._exit(code)
