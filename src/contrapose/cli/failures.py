"""What went wrong, in words for the person and a number for the shell."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from typing import NamedTuple

from contrapose.errors import METHOD_MODULE, ContraposeError
from contrapose.train.signals import Stopped

FAILURE, USAGE, PARTIAL, INTERRUPTED = 1, 2, 3, 130

_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, or choose a folder on another disk.",
    errno.EDQUOT: "Your disk quota is used up: delete something, or choose another folder.",
    errno.EACCES: "Change the permissions, or choose another folder.",
    errno.EROFS: "The file system is read-only: choose another folder.",
    errno.EMFILE: "Too many files are open: raise `ulimit -n`.",
}


class Failure(NamedTuple):
    """``message`` may have several lines."""

    message: str
    exit_code: int


def explain(error: BaseException) -> Failure:
    """The message and the exit code of any exception.

    >>> explain(OSError(28, "No space left on device", "x.npy")).message
    'x.npy: No space left on device. The disk is full: free some space, or choose a folder on another disk.'
    >>> explain(KeyError("a")).message.splitlines()[0]
    "internal error: KeyError: 'a'"
    """
    if isinstance(error, ContraposeError):
        return Failure(str(error), error.exit_code)
    if isinstance(error, Stopped):
        return Failure("interrupted" if error.exit_code == INTERRUPTED else "terminated", error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return Failure("interrupted", INTERRUPTED)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        remedy = _REMEDIES.get(error.errno, "")
        return Failure(f"{where}{os.strerror(error.errno)}. {remedy}".rstrip(), FAILURE)
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return Failure("a name holds a NUL character, which no file's name can: give another one", USAGE)
    if _is_out_of_memory(error):
        return Failure(
            f"out of memory ({_first_line(error)}). Ask for less: --chunk-size keeps the method and lowers "
            "the memory of the encoder, but parts that read tokens still read the whole batch; a smaller --batch-size "
            "or --max-length lowers all of it, and changes what is learnt.",
            FAILURE,
        )
    if where := _line_of_method_file(error):
        return Failure(
            f"the method's file failed in {where}: {type(error).__name__}: {_first_line(error)}. Repair it; "
            "CONTRAPOSE_DEBUG=1 shows where it was called from",
            FAILURE,
        )
    return Failure(
        f"internal error: {type(error).__name__}: {_first_line(error)}\n"
        "This is a mistake in contrapose. Please report it with the output of the same command under "
        "CONTRAPOSE_DEBUG=1.",
        FAILURE,
    )


def debugging(arguments: list[str] | None = None) -> bool:
    """Whether tracebacks are wanted: CONTRAPOSE_DEBUG=1, or ``--debug`` before the verb."""
    given = sys.argv[1:] if arguments is None else arguments
    before_verb = []
    for argument in given:
        if not argument.startswith("-"):
            break
        before_verb.append(argument)
    return os.environ.get("CONTRAPOSE_DEBUG", "") not in ("", "0") or "--debug" in before_verb


def show_traceback(error: BaseException) -> None:
    """The whole traceback on standard error."""
    traceback.print_exception(error, file=sys.stderr)


def _is_out_of_memory(error: BaseException) -> bool:
    """torch has a class of its own for the GPU, and a plain RuntimeError for the CPU."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in message or "can't allocate memory" in message)
    )


def _line_of_method_file(error: BaseException) -> str:
    """The innermost line of a file given as ``--method FILE.py`` that the error came through; "" for none."""
    where, step = "", error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__", "").startswith(METHOD_MODULE):
            where = f"{os.path.basename(step.tb_frame.f_code.co_filename)}, line {step.tb_lineno}"
        step = step.tb_next
    return where


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
