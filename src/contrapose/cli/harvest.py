"""``contrapose harvest``: pairs and texts from files of other programs, and from Python sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import Force, Json, Quiet, examples, one_of
from contrapose.errors import UsageError
from contrapose.hints import command, fitting_batch_size, free_folder

EXAMPLES = examples(
    "contrapose harvest documents notes/ mail.mbox -o pairs.parquet",
    "contrapose harvest python stdlib -o corpus.parquet",
    "contrapose harvest python numpy src/mypackage --kind pairs -o pairs.parquet",
)

app = typer.Typer(help="Collect text from what is on this machine.", epilog=EXAMPLES, no_args_is_help=True)


@app.callback()
def harvest() -> None:
    """Collect text to train on from what is on this machine."""


@app.command(epilog=EXAMPLES, short_help="The docstrings of Python sources.")
def python(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, .py files, names of installed packages, or stdlib.",
            metavar="PATH_OR_PACKAGE...",
            show_default=False,
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="FILE.parquet to write.", metavar="FILE", show_default=False)
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="sentences; pairs of a first line and the rest of its description; names with their first line."
        ),
    ] = "sentences",
    pairs: Annotated[bool, typer.Option("--pairs", help="The same as --kind pairs.")] = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Collect the docstrings of Python sources. Sources are parsed; nothing is imported or run."""
    from contrapose.cli.progress import ProgressView
    from contrapose.data.harvest_table import KINDS, write_harvest

    one_of("--kind", kind, KINDS)
    if pairs and kind == "names":
        raise UsageError("--pairs and --kind names contradict each other: give one")
    _check_free(Path(output), force)
    with ProgressView(quiet=quiet or json) as view:
        num_rows, statistics = write_harvest(sources, output, kind="pairs" if pairs else kind, progress=view)
    if json:
        left_out = [{"file": file, "reason": reason} for file, reason in statistics.left_out]
        counts = {"files": statistics.files, "objects": statistics.objects, "left_out": left_out}
        console.show_json({"rows": num_rows, "output": output, **counts})
        return
    for line in statistics.lines():
        console.tell(line)
    console.say(f"{num_rows:,} rows in {output}")
    if not quiet:
        size, run = fitting_batch_size(num_rows), free_folder("runs/harvest")
        console.suggest(command("train", output, max_length=48, batch_size=size, out=run))


@app.command(epilog=EXAMPLES, short_help="Markdown, HTML, mail, PDF, question sites.")
def documents(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders and files: .md, .html, .txt, .eml, .mbox, .pdf (extra 'pdf'), and Posts.xml of a Stack "
            "Exchange dump.",
            metavar="PATH...",
            show_default=False,
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="FILE.parquet to write.", metavar="FILE", show_default=False)
    ],
    kind: Annotated[
        str, typer.Option(help="pairs that belong together; or paragraphs, one text per row.")
    ] = "pairs",
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Collect what belongs together in documents: title and text, heading and section, question and answer, mail and
    reply, neighbouring paragraphs. No label is needed, since somebody wrote them so.

    Exit code 3 means that some files could not be read.
    """
    from contrapose.cli.progress import ProgressView
    from contrapose.documents.harvest import ROW_KINDS, write_documents

    one_of("--kind", kind, ROW_KINDS)
    _check_free(Path(output), force)
    with ProgressView(quiet=quiet or json) as view:
        num_rows, statistics = write_documents(sources, output, kind=kind, progress=view)
    if json:
        left_out = [{"file": file, "reason": reason} for file, reason in statistics.left_out]
        counts = {
            "files": statistics.files,
            "documents": statistics.documents,
            "pairs": dict(statistics.pairs),
        }
        console.show_json({"rows": num_rows, "output": output, **counts, "left_out": left_out})
    else:
        for line in statistics.lines():
            console.tell(line)
        console.say(f"{num_rows:,} rows in {output}")
        if not quiet:
            size, run = fitting_batch_size(num_rows), free_folder("runs/documents")
            columns = "anchor,positive" if kind == "pairs" else "text"
            console.suggest(
                command("train", output, columns=columns, max_length=128, batch_size=size, out=run)
            )
    if statistics.left_out:
        raise typer.Exit(PARTIAL)


def _check_free(output: Path, force: bool) -> None:
    """The name says parquet, and nothing of that name is lost. A folder that is missing is made later."""
    from contrapose.outputs import check_output

    if output.suffix.lower() != ".parquet":
        raise UsageError(f"--output {output}: the name must end in .parquet")
    if output.parent.is_dir():
        check_output(output, force=force, option="--output")
