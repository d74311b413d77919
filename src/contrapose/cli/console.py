"""Where words go: progress and warnings to standard error, results to standard output.

Text that comes from data is shown by ``printable``, so it can neither steer the terminal nor be read as markup. Colour
is left out where NO_COLOR is set, the terminal is dumb, or there is none.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from contrapose.cli.fitting import FittedTable, wrapped, wrapped_command
from contrapose.data.text import printable
from contrapose.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where the output is no terminal: a file is not as narrow as a window.
WIDTH_OF_A_FILE = 120
#: Characters of one line of a message.
LONGEST_LINE = 2_000


def is_first_process() -> bool:
    """Of the processes that torchrun started, the first one speaks; so does one that knows not which it is."""
    from contrapose.train.launch import launched

    try:
        return launched().rank == 0
    except UsageError:
        return True


@cache
def results() -> Console:
    """Standard output."""
    return _console(stderr=False)


@cache
def progress() -> Console:
    """Standard error; the progress bar and everything that is said above it share this one."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=WIDTH_OF_A_FILE)
    if console.is_dumb_terminal and "COLUMNS" not in os.environ:
        # rich takes every dumb terminal to be 80 columns wide.
        with suppress(OSError, ValueError):
            console.width = os.get_terminal_size(console.file.fileno()).columns or console.width
    return console


def say(text: str = "", *, style: str = "") -> None:
    """A line of a result; in a terminal it ends between words, and only a word that is too long, a path, is not cut."""
    _write(results(), wrapped, text, style)


def tell(text: str, *, style: str = "") -> None:
    """A line about the work, on standard error."""
    _write(progress(), wrapped, text, style)


def say_commands(commands: Sequence[str]) -> None:
    """What to do next, as part of a result."""
    say("Try next:")
    for command in commands:
        _write(results(), wrapped_command, f"  {command}", "")


def suggest(*commands: str) -> None:
    """What to do next, on standard error: results stay clean for whoever reads them from a pipe."""
    tell("Try next:", style="dim")
    for command in commands:
        _write(progress(), wrapped_command, f"  {command}", "dim")


def _write(console: Console, lines_of: Callable[[str, int], list[str]], text: str, style: str) -> None:
    shown = printable(text, LONGEST_LINE)
    for line in lines_of(shown, console.width) if console.is_terminal else [shown]:
        console.print(line, style=style or None, soft_wrap=True)


def show_json(value: Any) -> None:
    """``value`` as JSON on standard output, in ASCII, without NaN."""
    import typer

    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def table(columns: Mapping[str, str], rows: Sequence[Sequence[object]], *, title: str = "") -> FittedTable:
    """A table from column name -> kind and rows of cells. "text" is wrapped, "name" and "number" never are."""
    shown = [[printable(cell, LONGEST_LINE) for cell in row] for row in rows]
    return FittedTable(columns, shown, printable(title, LONGEST_LINE))


def show(thing: Any) -> None:
    """A table or another drawing, on standard output."""
    results().print(thing, crop=False)


class _Teller(logging.Handler):
    """Warnings of the library as lines on standard error, above a progress bar where there is one.

    The same line is told once, though a command may look at the same thing twice.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        if line not in self._told and is_first_process():
            self._told.add(line)
            tell(line, style="yellow")


def counted(number: int, thing: str, things: str = "") -> str:
    """
    >>> counted(1, "row"), counted(2000, "row"), counted(2, "query", "queries")
    ('1 row', '2,000 rows', '2 queries')
    """
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


@contextmanager
def told_warnings() -> Iterator[None]:
    """Inside the block, warnings of the library reach the person."""
    library, teller = logging.getLogger("contrapose"), _Teller(logging.WARNING)
    library.addHandler(teller)
    try:
        yield
    finally:
        library.removeHandler(teller)


@contextmanager
def muted(*names: str) -> Iterator[None]:
    """Inside the block, these loggers say nothing below an error: the verb tells the same itself."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
