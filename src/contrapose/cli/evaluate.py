"""``contrapose evaluate``: numbers with everything needed to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.evaluation_view import list_tasks
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import (
    Columns,
    Device,
    Json,
    Quiet,
    examples,
    one_of,
    split_words,
)
from contrapose.errors import UsageError
from contrapose.evaluate.groups import GROUPS
from contrapose.hints import YOUR_TEXT, command, free_folder
from contrapose.paths import expanded

if TYPE_CHECKING:
    from contrapose.cli.models import LazyEncoder
    from contrapose.evaluate.suite import Evaluation

EXAMPLES = examples(
    "contrapose evaluate minilm --tasks sts --data data/senteval",
    "contrapose evaluate runs/notes --tasks sts,transfer,geometry --data data/senteval --json",
    "contrapose evaluate runs/notes --pairs scored.csv --labels topics.csv --retrieval data/scifact",
    "contrapose evaluate runs/notes --retrieval data/scifact --hybrid",
    "contrapose evaluate runs/notes --text notes.txt",
    "contrapose evaluate minilm --mteb STSBenchmark,SICK-R --data data/senteval",
    "contrapose evaluate --list --data data",
)


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            help="minilm, a model folder, a run folder, or a hub name.", metavar="MODEL", show_default=False
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(
            help=f"Groups ({', '.join(GROUPS)}) or single tasks "
            "(STS12, TREC, STSB.en-de, a folder's name). (default: sts,geometry; geometry with --text)",
            metavar="TASK,...",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A data folder, recognised by its layout; may be given several times.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own pairs: score, text, text (scores of 0 and 1 only: duplicates).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="Your own texts with a class: label, text.", metavar="FILE", show_default=False),
    ] = None,
    retrieval: Annotated[
        list[str] | None,
        typer.Option(help="Your own retrieval set in BEIR's layout.", metavar="DIR", show_default=False),
    ] = None,
    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid", help="Rank documents by words (BM25) too, and by meaning and words together."
        ),
    ] = False,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own text for geometry, in place of STS-B; two columns are pairs that mean the same.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    mteb: Annotated[
        str | None,
        typer.Option(
            help="MTEB's tasks (STSBenchmark, SciFact ...), by its own code: needs the extra 'mteb'. Data from --data "
            "where it holds them, else from the hub.",
            metavar="TASK,...",
            show_default=False,
        ),
    ] = None,
    mteb_results: Annotated[
        str | None,
        typer.Option(
            help="Where MTEB's result files go; with unchanged model and data they are not measured again. "
            "(default: mteb-results)",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="senteval-all or senteval-mean.")] = "senteval-all",
    transfer_protocol: Annotated[
        str,
        typer.Option(
            help="senteval-transfer to report; senteval-transfer-official to compare with SentEval's own numbers; "
            "senteval-transfer-fast while developing."
        ),
    ] = "senteval-transfer",
    split: Annotated[str, typer.Option(help="test to report; dev or train to choose.")] = "test",
    list_: Annotated[
        bool, typer.Option("--list", help="Say which tasks the data folders hold, and stop.")
    ] = False,
    explain_: Annotated[
        bool, typer.Option("--explain", help="Print every detail of the protocol behind each number.")
    ] = False,
    columns: Columns = None,
    precision: Annotated[
        str,
        typer.Option(
            help="auto, fp32 or bf16. auto: bf16 where the machine computes in it, scores move by 0.02; fp32 for MTEB."
        ),
    ] = "auto",
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Evaluate a model: benchmarks from data folders, your own files, and the geometry of its space.

    Exit code 3 means that some tasks or rows were left out, and the output says why.
    """
    if list_:
        list_tasks(data or [], json=json)
        return
    if model is None:
        raise UsageError("which model? Give MODEL: minilm, a model folder, a run folder, or a hub name")
    from contrapose.cli.models import LazyEncoder
    from contrapose.cli.mteb_evaluation import check_mteb, evaluate_with_mteb, exit_code, show_all
    from contrapose.evaluate.dataset_sources import own_sources

    one_of("--precision", precision, ("auto", "fp32", "bf16"))
    mteb_tasks = check_mteb(mteb, mteb_results, split)
    own_tasks = own_sources(
        pairs=[expanded(path) for path in pairs or ()],
        labels=[expanded(path) for path in labels or ()],
        retrieval_sets=[expanded(path) for path in retrieval or ()],
    )
    default = ("geometry",) if text else () if own_tasks or mteb_tasks else ("sts", "geometry")
    wanted = split_words(tasks) if tasks is not None else default
    encoder = LazyEncoder(model, device)
    own, num_bad = _own_text(text, columns)
    evaluations = []
    if wanted or own_tasks or hybrid or not mteb_tasks:
        evaluations.append(
            _evaluate(
                encoder,
                wanted,
                data,
                in_bf16=_in_bf16(precision, device),
                quiet=quiet or json,
                protocol=protocol,
                transfer_protocol=transfer_protocol,
                split=split,
                own=own_tasks,
                hybrid=hybrid,
                **own,
            )
        )
    if mteb_tasks:
        evaluations.append(
            evaluate_with_mteb(
                encoder, mteb_tasks, data, results=mteb_results, precision=precision, quiet=quiet or json
            )
        )
    show_all(evaluations, encoder, json=json, explained=explain_)
    if not json and not quiet and not any(evaluation.problems for evaluation in evaluations):
        console.suggest(_next_step(model))
    if num_bad:
        console.tell(f"{console.counted(num_bad, 'row')} of --text could not be read", style="yellow")
    if code := exit_code(evaluations) or (PARTIAL if num_bad else 0):
        raise typer.Exit(code)


def _next_step(model: str) -> str:
    """Of a run, what changed by it; of any other model, a training that starts from it."""
    if (Path(model) / "summary.json").is_file():
        return command("report", model, o="report.html")
    out = free_folder("runs/mine")
    return command("train", YOUR_TEXT, model=model, out=out, about=f"then evaluate {out} the same way")


def _in_bf16(precision: str, device: str) -> bool:
    from contrapose.train.environment import pick_device, pick_precision

    return pick_precision(precision, pick_device(device))


def _evaluate(
    encoder: LazyEncoder,
    wanted: Sequence[str],
    data: Sequence[str] | None,
    *,
    in_bf16: bool,
    quiet: bool,
    **options: Any,
) -> Evaluation:
    """The suite, with a bar."""
    from contrapose.cli.progress import ProgressView
    from contrapose.evaluate.suite import evaluate as evaluate_tasks

    with console.muted("contrapose.evaluate.suite"), ProgressView(quiet=quiet) as encoder.listener:
        return evaluate_tasks(
            encoder,
            wanted,
            data,
            precision="bf16" if in_bf16 else "fp32",
            progress=encoder.listener,
            **options,
        )


def _own_text(files: Sequence[str] | None, columns: str | None) -> tuple[dict[str, Any], int]:
    """The texts and pairs of ``--text`` as options of the evaluation, and how many rows could not be read."""
    if not files:
        return {}, 0
    from contrapose.data.quarantine import Quarantine
    from contrapose.data.readers import read_rows

    quarantine = Quarantine()
    rows = [
        row.texts for row in read_rows(files, columns=split_words(columns) or None, quarantine=quarantine)
    ]
    for notice in quarantine.notices:
        console.tell(notice, style="dim")
    filled = [texts for texts in rows if texts and all(text.strip() for text in texts[:2])]
    own = {
        "texts": [texts[0] for texts in filled if len(texts) == 1],
        "pairs": [(texts[0], texts[1]) for texts in filled if len(texts) > 1],
    }
    return own, quarantine.bad
