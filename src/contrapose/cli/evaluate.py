"""``contrapose evaluate``: numbers with everything needed to compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import (
    Columns,
    Device,
    Json,
    Model,
    Quiet,
    examples,
    one_of,
    split_words,
)

if TYPE_CHECKING:
    from contrapose.evaluate.suite import Evaluation

EXAMPLES = examples(
    "contrapose evaluate minilm --tasks sts --data data/senteval",
    "contrapose evaluate runs/notes --tasks sts,geometry --data data/senteval --json",
    "contrapose evaluate runs/notes --text notes.txt",
)


def evaluate(
    model: Model,
    tasks: Annotated[
        str | None,
        typer.Option(
            help="sts, geometry, or single tasks as STS12 or STS-B. [default: sts,geometry; geometry with --text]",
            metavar="TASK,...",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="SentEval's data folder; may be given several times.", metavar="DIR", show_default=False
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            help="Your own text for geometry, in place of STS-B; two columns are pairs that mean the same.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="senteval-all or senteval-mean.")] = "senteval-all",
    split: Annotated[str, typer.Option(help="test to report; dev or train to choose.")] = "test",
    definitions: Annotated[bool, typer.Option("--definitions", help="Print what each number means.")] = False,
    columns: Columns = None,
    precision: Annotated[
        str,
        typer.Option(
            help="auto, fp32 or bf16. auto: bf16 where the machine computes in it; scores move by 0.02."
        ),
    ] = "auto",
    device: Device = "auto",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Evaluate a model: STS tasks, and the geometry of its space.

    Exit code 3 means that some tasks or rows were left out, and the output says why.
    """
    from contrapose.cli.models import LazyEncoder
    from contrapose.cli.progress import counting
    from contrapose.evaluate.suite import evaluate as evaluate_tasks
    from contrapose.train.environment import pick_device, pick_precision

    one_of("--precision", precision, ("auto", "fp32", "bf16"))
    wanted = split_words(tasks) if tasks is not None else (("geometry",) if text else ("sts", "geometry"))
    encoder = LazyEncoder(model, device)
    in_bf16 = pick_precision(precision, pick_device(device))
    own, num_bad = _own_text(text, columns)
    with console.muted("contrapose.evaluate.suite"), counting("encoding", quiet=quiet or json) as counter:
        found = evaluate_tasks(
            encoder,
            wanted,
            data,
            protocol=protocol,
            precision="bf16" if in_bf16 else "fp32",
            split=split,
            progress=counter.advance,
            announce=counter.announce,
            **own,
        )
    if json:
        console.show_json(found.to_json())
    else:
        show(found, definitions=definitions)
        if not found.problems and not quiet:
            console.suggest(
                "contrapose train YOUR_TEXT.txt --out runs/mine    # then evaluate runs/mine the same way, and compare"
            )
    if num_bad:
        console.tell(f"{console.counted(num_bad, 'row')} of --text could not be read", style="yellow")
    if code := found.exit_code or (PARTIAL if num_bad else 0):
        raise typer.Exit(code)


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
    filled = [texts for texts in rows if texts and all(text.strip() for text in texts[:2])]
    own = {
        "texts": [texts[0] for texts in filled if len(texts) == 1],
        "pairs": [(texts[0], texts[1]) for texts in filled if len(texts) > 1],
    }
    return own, quarantine.bad


def show(found: Evaluation, *, definitions: bool = False) -> None:
    """The table, the means, and what was left out."""
    rows = [
        [result.task, result.metric, _number(result.value), result.protocol, f"{result.rows:,}", result.text]
        for result in found.results
    ]
    if rows:
        title = f"{found.model} ({found.fingerprint[:12]}), encoded in {found.precision}"
        columns = {
            "task": "name",
            "metric": "name",
            "value": "number",
            "protocol": "name",
            "rows": "number",
            "text": "name",
        }
        console.show(console.table(columns, rows, title=title))
    for mean in found.averages:
        over = "STS12-16" if len(mean.over) == 5 and mean.over[-1] == "STS16" else ", ".join(mean.over)
        console.say(f"mean of {over} ({mean.protocol}): {_number(mean.value)}")
    for problem in found.problems:
        console.say(f"{problem.task} was left out: {problem.message}", style="yellow")
    if definitions or any(result.task == "geometry" for result in found.results):
        for result in found.results:
            if "definition" in result.details:
                console.say(f"{result.metric}: {result.details['definition']}", style="dim")
    if definitions and found.averages:
        console.say(
            "spearman: rank correlation x 100 of the cosine with the human scores; higher is better",
            style="dim",
        )
        console.say(
            "senteval-all: over all pairs of a task; senteval-mean: the mean over its subsets", style="dim"
        )


def _number(value: float) -> str:
    return "undefined" if value != value else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"
