"""The command line: one file per verb, and here what they share: names, errors, exit codes.

Nothing heavy is imported before a verb runs: ``contrapose --help`` answers at once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import Annotated

import typer

from contrapose.cli import (
    adapt,
    compare,
    console,
    continuing,
    demo,
    doctor,
    encode,
    evaluate,
    export,
    federate,
    harvest,
    methods,
    pretrain,
    report,
    reproduce,
    runs,
    search,
    similarity,
    sparsify,
    study,
    sweep,
    train,
)
from contrapose.cli.collecting import search_rarely
from contrapose.cli.failures import FAILURE, INTERRUPTED, USAGE, Failure, debugging, explain, show_traceback
from contrapose.cli.narrow_help import command_of
from contrapose.cli.options import examples, paragraphs
from contrapose.cli.settings_options import with_settings, without_settings
from contrapose.train.signals import StopAtOnce, Stopped

VERBS = (
    demo, adapt, train, pretrain, continuing, sparsify, federate,
    evaluate, report, compare, sweep, reproduce,
    encode, export, similarity, search, methods, doctor,
)  # fmt: skip

#: Seconds in which the first process says what is wrong with a command that all were given; torchrun then ends the
#: others, and one that still lives is alone with its error.
FIRST_SPEAKS = 2.0

#: The error of a wrong option or argument, whichever click stands below typer.
WrongUsage = typer.BadParameter.__mro__[1]


def contrapose(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks (also: CONTRAPOSE_DEBUG=1).")
    ] = False,
) -> None:
    """Train, judge and use sentence encoders, from your own plain text first of all.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some rows or tasks were left out, 130 interrupted
    by Ctrl-C, 143 by SIGTERM.
    """
    if version:
        from contrapose import __version__

        typer.echo(f"contrapose {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def command_line(given: Sequence[str] | None = None) -> typer.Typer:
    """All verbs. given: what was written behind the program's name; without it, every verb has all of its options.

    Options that are made of settings take time to make, so that a verb which nobody asks for is left without.
    """
    app = typer.Typer(
        name="contrapose",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=examples(
            "contrapose demo",
            "contrapose adapt notes.txt --out runs/notes",
            "contrapose train notes.txt --out runs/simcse --method simcse --steps 100",
            'contrapose search runs/notes notes.txt "what you look for"',
        ),
    )
    app.callback(invoke_without_command=True)(contrapose)
    for verb in VERBS:
        name, function = name_of(verb), getattr(verb, verb.__name__.rpartition(".")[2])
        whole = with_settings(function) if given is None or name in given else without_settings(function)
        app.command(name, help=paragraphs(function.__doc__), epilog=verb.EXAMPLES)(whole)
    app.add_typer(harvest.app, name="harvest")
    app.add_typer(runs.app, name="runs")
    anything = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("study", hidden=True, add_help_option=False, context_settings=anything)(study.study)
    return app


def name_of(verb: ModuleType) -> str:
    """The verb of a file: its name, but where that is a word of Python.

    >>> name_of(train), name_of(continuing)
    ('train', 'continue')
    """
    module = verb.__name__.rpartition(".")[2]
    return {"continuing": "continue"}.get(module, module)


def __getattr__(name: str) -> typer.Typer:
    """``app``, for those who read the command line rather than run it."""
    if name != "app":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return command_line()


def main(
    arguments: Sequence[str] | None = None,
    application: typer.Typer | None = None,
    program: str = "contrapose",
) -> int:
    """Run a command line; the exit code. ``arguments`` are those after the program's name: without them it is this
    process's own command line, and the process is the command's alone."""
    if arguments is None:
        search_rarely()
    given = sys.argv[1:] if arguments is None else list(arguments)
    _open_closed_streams()
    _tolerate_narrow_encodings()
    try:
        with StopAtOnce(watched=[signal.SIGTERM]) as ending, console.told_warnings():
            code = command_of(application or command_line(given)).main(
                given, prog_name=program, standalone_mode=False
            )
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return FAILURE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILURE
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, given)
    if code == INTERRUPTED:
        return _report(KeyboardInterrupt() if ending.received is None else Stopped(ending.received), given)
    return code if isinstance(code, int) else 0


def _report(error: BaseException, arguments: list[str]) -> int:
    """Say what went wrong on standard error; the exit code."""
    if debugging(arguments):
        show_traceback(error)
    failure = _usage(error) if isinstance(error, WrongUsage) else explain(error)
    if isinstance(error, typer.Abort):
        failure = Failure("interrupted", INTERRUPTED)
    is_first = console.is_first_process()
    if not is_first and failure.exit_code == USAGE:
        time.sleep(FIRST_SPEAKS)
    if is_first or failure.exit_code < INTERRUPTED:
        first, *rest = failure.message.splitlines() or [type(error).__name__]
        console.tell(first if failure.exit_code >= INTERRUPTED else f"error: {first}", style="red")
        for line in rest:
            console.tell(line)
    if isinstance(error, OSError):
        _forget_output()
    return failure.exit_code


def _usage(error: BaseException) -> Failure:
    """A wrong option, in the words of the parser, and where to read on."""
    words = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    hint = f"\nTry: {context.command_path} --help" if context is not None else ""
    return Failure(f"{words.rstrip()}{hint}", USAGE)


def _open_closed_streams() -> None:
    """What a caller closed (``>&-``) leads nowhere: the next file that is opened would get its number, and its text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        if getattr(sys, name) is None:
            stream = open(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _tolerate_narrow_encodings() -> None:
    """A character that the terminal has not is escaped instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Nobody reads standard output any more, or it cannot be written: let nothing try again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
