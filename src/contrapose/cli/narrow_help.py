"""Help in a narrow terminal: plain text that is wrapped between words, where typer's panels would cut words to fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from contrapose.cli.fitting import wrapped, wrapped_command

#: Columns from which on no word of any verb's help is cut in panels; a test looks at all of them.
ENOUGH_FOR_PANELS = 100
#: Where the output is no terminal it is taken to be wide.
_NO_TERMINAL = (120, 24)


def command_of(app: typer.Typer) -> Any:
    """The command of ``app``, its help made for the terminal's width."""
    columns = shutil.get_terminal_size(_NO_TERMINAL).columns
    wide = columns >= ENOUGH_FOR_PANELS
    app.rich_markup_mode = "rich" if wide else None
    command = typer.main.get_command(app)
    if not wide:
        for each in _all(command):
            each.context_class = _narrow(type(each).context_class, columns)
            # Click would cut the first sentence to what fits beside a name.
            each.short_help = each.short_help or (each.help or "").partition("\n\n")[0]
    return command


def _all(command: Any) -> Iterator[Any]:
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from _all(each)


def _narrow(context: Any, columns: int) -> Any:
    """A context whose help is written by :class:`_Writer`; typer brings a click of its own, so it is derived here."""

    class Formatter(_Writer, context.formatter_class):  # type: ignore[misc]
        def __init__(self, **_: Any) -> None:
            super().__init__(width=columns)

    return type("NarrowContext", (context,), {"formatter_class": Formatter})


class _Writer:
    """What a formatter of click writes, in lines that end between words; each explanation stands beneath its name."""

    width: int
    current_indent: int
    write: Any

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self._lines(f"{prefix or 'Usage: '}{prog} {args}", "  ")

    def write_text(self, text: str) -> None:
        paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
        for number, paragraph in enumerate(paragraphs):
            if number:
                self.write("\n")
            self._lines(paragraph)

    def write_dl(self, rows: Sequence[tuple[str, str]], **_: Any) -> None:
        for name, about in rows:
            self._lines(name, "  ")
            if about:
                self._lines(f"    {' '.join(about.split())}")

    def _lines(self, text: str, hanging: str = "") -> None:
        indent = " " * self.current_indent
        if text.startswith("$ "):
            lines = wrapped_command(indent + text, self.width)
        else:
            lines = wrapped(indent + text, self.width, indent + hanging if hanging else "")
        for line in lines:
            self.write(f"{line}\n")
