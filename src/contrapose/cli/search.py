"""``contrapose search``: the rows of a corpus that are nearest to a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import (
    Columns,
    Device,
    Json,
    Model,
    Precision,
    Quiet,
    examples,
    one_of,
    split_words,
)
from contrapose.errors import UsageError
from contrapose.hints import YOUR_TEXT, command, fitting_batch_size, free_folder

if TYPE_CHECKING:
    from contrapose.use.search import Hit
    from contrapose.use.vectors_folder import VectorsFolder

EXAMPLES = examples(
    'contrapose search minilm notes.txt "when is the next train" --top 5',
    'contrapose search runs/notes notes/*.txt "how do I renew a certificate"',
    'contrapose search runs/notes vectors/ "how do I renew a certificate"',
    'contrapose search runs/notes tickets.csv "error 0x80070057" --hybrid',
    'contrapose search runs/notes corpus.jsonl "first query" "second query" --columns body --json',
)


def search(
    model: Model,
    arguments: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders or globs of text (- is standard input), and behind them what to look for.",
            metavar="CORPUS... QUERY...",
            show_default=False,
        ),
    ],
    top: Annotated[int, typer.Option("--top", "-k", help="Hits per query.")] = 5,
    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid",
            help="By meaning and by words (BM25) together: finds names and numbers that an encoder blurs.",
        ),
    ] = False,
    columns: Columns = None,
    precision: Precision = "fp32",
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Search text by meaning; exact: every row is compared.

    Arguments that lead to files are searched through, all others are queries. A folder that contrapose encode made is
    searched as it is: only the queries are encoded. With --hybrid a score is no cosine but a
    sum of standard deviations, and tells the hits of one query apart.

    Exit code 3 means that some rows could not be read and were not searched.
    """
    from contrapose.cli.models import LazyEncoder
    from contrapose.cli.progress import ProgressView
    from contrapose.data.quarantine import Quarantine
    from contrapose.data.sources import find_sources
    from contrapose.use.arguments import split_arguments
    from contrapose.use.hybrid_search import hybrid_search
    from contrapose.use.search import checked_queries
    from contrapose.use.search import search as search_by_meaning
    from contrapose.use.vectors_folder import search_folder

    one_of("--precision", precision, ("fp32", "bf16"))
    if top < 1:
        raise UsageError(f"--top must be at least 1, got {top}")
    corpora, words = split_arguments(arguments)
    queries = checked_queries(words)
    vectors = vectors_of(corpora, alone=not (hybrid or columns))
    if vectors is None:
        find_sources(corpora)
    if len(corpora) > 1 and not (quiet or json):
        console.tell(
            f"searching {', '.join(corpora)} for {console.counted(len(queries), 'query', 'queries')}"
        )
    quarantine = Quarantine()
    with ProgressView(quiet=quiet or json) as view:
        encoder = LazyEncoder(model, device, view)
        if vectors is not None:
            hits_of_queries = search_folder(encoder, vectors, queries, top, precision=precision)
            quarantine.good = vectors.rows
        else:
            hits_of_queries = (hybrid_search if hybrid else search_by_meaning)(
                encoder,
                corpora,
                queries,
                top,
                columns=split_words(columns) or None,
                precision=precision,
                quarantine=quarantine,
                progress=view,
            )
    if json:
        answers = [
            {"query": text, "hits": [hit.to_json() for hit in hits]}
            for text, hits in zip(queries, hits_of_queries, strict=True)
        ]
        facts = {"rows": quarantine.good, "quarantined": quarantine.bad}
        by = "cosine and words" if hybrid else "cosine"
        console.show_json({"model": model, "corpus": corpora, "by": by, **facts, "queries": answers})
    else:
        show(queries, hits_of_queries)
        if not quiet and vectors is None:
            own = [YOUR_TEXT if name == "-" else name for name in corpora]
            out = free_folder("runs/mine")
            size = fitting_batch_size(quarantine.good)
            about = f"then search with {out}"
            console.suggest(command("train", *own, columns=columns, batch_size=size, out=out, about=about))
    for notice in quarantine.notices:
        console.tell(notice, style="dim")
    if quarantine.bad:
        console.tell(
            f"{console.counted(quarantine.bad, 'row')} could not be read, for example {quarantine.examples[0]}",
            style="yellow",
        )
        raise typer.Exit(PARTIAL)


def vectors_of(corpora: Sequence[str], *, alone: bool) -> VectorsFolder | None:
    """The folder of vectors that is to be searched, or None for text. alone: no option asks for more than that."""
    from contrapose.use.vectors_folder import VectorsFolder, is_vectors_folder

    if not any(is_vectors_folder(corpus) for corpus in corpora):
        return None
    if len(corpora) > 1 or not alone:
        raise UsageError(
            "a folder of vectors is searched alone, by meaning, as it was encoded: name no other corpus, and give no "
            "--hybrid or --columns"
        )
    return VectorsFolder.open(corpora[0])


def show(queries: Sequence[str], hits_of_queries: Sequence[Sequence[Hit]]) -> None:
    """One line per hit: rank, score, place, text."""
    for query, hits in zip(queries, hits_of_queries, strict=True):
        if len(queries) > 1:
            console.say(f"{query}", style="bold")
        several_files = len({hit.file for hit in hits}) > 1
        width = max((len(_place(hit, several_files)) for hit in hits), default=0)
        for hit in hits:
            console.say(f"{hit.rank:>3}  {hit.score:.4f}  {_place(hit, several_files):<{width}}  {hit.text}")


def _place(hit: Hit, with_file: bool) -> str:
    line = f"line {hit.line}" if hit.line is not None else f"row {hit.row}"
    return f"{hit.file} {line}" if with_file and hit.file else line
