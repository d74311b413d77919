"""Options that several verbs share, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc
from typing import Annotated

import typer

from contrapose.errors import UsageError, nearest

Model = Annotated[
    str,
    typer.Argument(
        help="minilm, a model folder, a run folder, or a hub name.", metavar="MODEL", show_default=False
    ),
]
#: The panel of a verb's help with the options of a run's folder.
RUN = "Run"
RunCorpus = Annotated[
    list[str] | None,
    typer.Argument(
        help="Text: files, folders or globs of .txt .jsonl .csv .tsv .parquet, each also .gz; - is standard input.",
        metavar="CORPUS...",
        show_default=False,
    ),
]
RunFolder = Annotated[
    str | None,
    typer.Option(
        help="The run's folder: it gets the model, metrics, checkpoints.",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out.", rich_help_panel=RUN)
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, and nothing else, to standard output.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress; warnings, errors and the result only.")
]
Force = Annotated[bool, typer.Option("--force", "--overwrite", help="Replace the file of that name.")]
Precision = Annotated[
    str, typer.Option(help="fp32, or bf16: faster where the processor has it, slightly rounded.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns to read, by name, separated by commas.", metavar="NAME,...", show_default=False
    ),
]


def examples(*commands: str) -> str:
    """The end of a verb's help.

    >>> print(examples("contrapose methods"))
    Examples:
    <BLANKLINE>
    $ contrapose methods
    """
    return "\n\n".join(["Examples:", *(f"$ {command}" for command in commands)])


def paragraphs(docstring: str | None) -> str:
    """A docstring as help: line breaks inside a paragraph are for the source, not for the reader.

    >>> paragraphs("One\\ntwo.\\n\\n    Three.")
    'One two.\\n\\nThree.'
    """
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(docstring or "").split("\n\n"))


def split_words(given: Sequence[str] | str | None) -> tuple[str, ...]:
    """Words separated by commas, from one option or from its repetitions.

    >>> split_words("a, b"), split_words(["a,b", "c"]), split_words(None)
    (('a', 'b'), ('a', 'b', 'c'), ())

    Raises UsageError where something is given and no word is in it: it would be ignored.
    """
    texts = [given] if isinstance(given, str) else list(given or ())
    words = tuple(word.strip() for text in texts for word in text.split(",") if word.strip())
    if any(texts) and not words:
        raise UsageError(f"'{', '.join(texts)}' names nothing: write names with commas between them")
    return words


def one_of(option: str, given: str, known: Sequence[str]) -> str:
    """``given`` where it is known, else a UsageError that names the option."""
    if given not in known:
        raise UsageError(
            f"{option}: unknown value '{given}'{nearest(given, list(known)) or '.'} Known: {', '.join(known)}"
        )
    return given
