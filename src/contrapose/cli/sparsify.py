"""``contrapose sparsify``: a trained encoder without the weights that do least for its vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrapose.cli import console
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import Columns, Device, Json, Model, Quiet, examples, one_of, split_words
from contrapose.hints import SENTEVAL, command

if TYPE_CHECKING:
    from contrapose.pruning.effect import Effect
    from contrapose.pruning.sparsify import Sparsified

EXAMPLES = examples(
    "contrapose sparsify runs/notes notes.txt --rate 0.02 --out runs/notes-sparse",
    "contrapose sparsify minilm 'corpus/*.txt' --rate 0.05 --data data/senteval --out sparse --json",
    "contrapose train notes.txt --method sparse-cse --set mask_file=runs/notes-sparse --out runs/under-the-mask",
)


def sparsify(
    model: Model,
    corpus: Annotated[
        list[str],
        typer.Argument(
            help="Text to score on: files, folders or globs; - is standard input.",
            metavar="CORPUS...",
            show_default=False,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            help="The folder of the new model; it gets the mask and the record as well.", show_default=False
        ),
    ],
    rate: Annotated[float, typer.Option(help="Share of the weights that is set to zero.")] = 0.02,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A data folder: the effect on its labelled tasks is reported as well.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    tasks: Annotated[str, typer.Option(help="Which tasks of --data.", metavar="TASK,...")] = "sts",
    scope: Annotated[
        str, typer.Option(help="matrix: the lowest of every matrix; global: the lowest of all.")
    ] = "matrix",
    reduction: Annotated[
        str,
        typer.Option(
            help="abs_mean: the size of the batches' mean gradient; mean_abs: the mean of their sizes."
        ),
    ] = "abs_mean",
    sentences: Annotated[
        int,
        typer.Option(
            min=2, help="Sentences that are scored on, at most, in full batches; one batch at least."
        ),
    ] = 10_000,
    batch_size: Annotated[int, typer.Option(min=2, help="Sentences that uniformity is taken over.")] = 64,
    max_length: Annotated[int, typer.Option(min=3, help="Tokens kept of a sentence while scoring.")] = 32,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the held-out rows, the batches and the dropout.")
    ] = 0,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=0.99, help="Replaces every dropout of the model while scoring.", show_default=False
        ),
    ] = None,
    columns: Columns = None,
    precision: Annotated[
        str, typer.Option(help="auto, fp32 or bf16; auto: bf16 where the machine computes in it.")
    ] = "auto",
    device: Device = "auto",
    force: Annotated[
        bool, typer.Option("--force", "--overwrite", help="Replace the model of that name.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Set the weights to zero that contribute least to a model's vectors, and say what that changed.

    Every weight of every matrix is scored by its part in alignment (two views of a sentence lie together) and
    uniformity (sentences lie apart). Biases, norms and word tables are left alone. Nothing becomes faster: the zeros
    lie scattered. The same command goes on where a stopped one ended.

    Exit code 3 means that rows could not be read, or tasks were left out.
    """
    from contrapose.cli.models import model_of
    from contrapose.cli.progress import ProgressView
    from contrapose.data.sources import find_sources
    from contrapose.errors import Interrupted
    from contrapose.pruning.sparsify import scoring_folder
    from contrapose.pruning.sparsify import sparsify as make_sparse
    from contrapose.train.environment import pick_device, pick_precision
    from contrapose.train.signals import StopAtOnce, Stopped

    one_of("--scope", scope, ("matrix", "global"))
    one_of("--reduction", reduction, ("abs_mean", "mean_abs"))
    one_of("--precision", precision, ("auto", "fp32", "bf16"))
    find_sources(corpus)
    chosen = pick_device(device)
    try:
        with (
            StopAtOnce(),
            console.muted("contrapose.evaluate.suite"),
            ProgressView(quiet=quiet or json, lines=True) as view,
        ):
            made = make_sparse(
                model_of(model),
                corpus,
                out,
                rate=rate,
                data=data,
                tasks=split_words(tasks),
                scope=scope,  # type: ignore[arg-type]
                reduction=reduction,  # type: ignore[arg-type]
                sentences=sentences,
                batch_size=batch_size,
                max_length=max_length,
                seed=seed,
                dropout=dropout,
                columns=split_words(columns) or None,
                precision="bf16" if pick_precision(precision, chosen) else "fp32",
                device=chosen,
                force=force,
                progress=view,
            )
    except Stopped as stopped:
        kept = scoring_folder(out)
        then = (
            f", and scores so far are kept in {kept}. The same command goes on."
            if kept.exists()
            else ". No scores were kept yet: the same command begins anew."
        )
        raise Interrupted(f"stopped; {out} is as it was{then}", exit_code=stopped.exit_code) from None
    if json:
        console.show_json(made.to_json())
    else:
        show(made)
        if not quiet and not made.problems:
            console.suggest(*_next_steps(made, corpus, labelled=data is not None))
    if made.problems or made.rows_quarantined:
        raise typer.Exit(PARTIAL)


def show(made: Sparsified) -> None:
    """What was zeroed, and the table of what it changed."""
    record = made.record
    of_scope = "of every matrix" if record["scope"] == "matrix" else "of all matrices together"
    matrices = console.counted(record["matrices"], "matrix", "matrices")
    sentences = console.counted(record["scored_on"]["sentences"], "sentence")
    console.say(
        f"{record['zeroed']:,} of {record['weights']:,} weights in {matrices} are zero now: the lowest "
        f"{record['rate']:.2%} {of_scope}, scored on {sentences}"
    )
    columns = {
        "task": "name",
        "metric": "name",
        "before": "number",
        "after": "number",
        "change [95% interval]": "name",
        "": "name",
    }
    if made.effects:
        console.show(console.table(columns, [_row(effect) for effect in made.effects]))
    console.say(made.verdict, style="bold")
    for problem in made.problems:
        console.say(f"left out: {problem}", style="yellow")
    unreached = record["left_out"]["matrices without a gradient"]
    if unreached:
        console.say(f"left alone, because no vector depends on them: {', '.join(unreached)}", style="dim")
    console.say(f"written: {made.folder} (model, mask.safetensors, sparsity.json)")


def _row(effect: Effect) -> list[str]:
    decimals = 2 if effect.metric not in ("alignment", "spread", "uniformity", "mean_cosine") else 4
    change = f"{effect.after - effect.before:+.{decimals}f}"
    if effect.low is not None and effect.high is not None:
        change += f" [{effect.low:+.{decimals}f}, {effect.high:+.{decimals}f}]"
    return [
        effect.task,
        effect.metric,
        f"{effect.before:.{decimals}f}",
        f"{effect.after:.{decimals}f}",
        change,
        effect.word,
    ]


def _next_steps(made: Sparsified, corpus: list[str], *, labelled: bool) -> list[str]:
    out = made.folder
    under = command(
        "train",
        *corpus,
        method="sparse-cse",
        set_=[f"mask_file={out}"],
        out=Path(f"{out}-trained"),
        about="train under this mask",
    )
    return [under] if labelled else [command("evaluate", out, tasks="sts", data=SENTEVAL), under]
