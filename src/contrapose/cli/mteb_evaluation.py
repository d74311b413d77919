"""``contrapose evaluate --mteb``: MTEB's tasks beside our own, in a table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contrapose.cli import console
from contrapose.cli.evaluation_view import explain, show
from contrapose.cli.failures import PARTIAL
from contrapose.cli.options import split_words
from contrapose.errors import UsageError

if TYPE_CHECKING:
    from contrapose.cli.models import LazyEncoder
    from contrapose.evaluate.results import Result
    from contrapose.evaluate.suite import Evaluation


def check_mteb(tasks: str | None, results: str | None, split: str) -> tuple[str, ...]:
    """The tasks of ``--mteb`` by MTEB's names, before anything is encoded; () without the option."""
    if tasks is None:
        if results is not None:
            raise UsageError("--mteb-results has no effect without --mteb TASK,...")
        return ()
    if split != "test":
        raise UsageError(f"--split {split} has no effect on MTEB's tasks: each has its own splits")
    from contrapose.interop.mteb import task_names

    return task_names(split_words(tasks))


def evaluate_with_mteb(
    encoder: LazyEncoder,
    tasks: Sequence[str],
    data: Sequence[str] | None,
    *,
    results: str | None,
    precision: str,
    quiet: bool,
) -> Evaluation:
    """Run them with a bar. ``precision`` "auto" is fp32 here: what published numbers were made with."""
    from contrapose.cli.progress import ProgressView
    from contrapose.interop.mteb import RESULTS, evaluate_mteb

    with console.muted("contrapose.interop.mteb"), ProgressView(quiet=quiet) as view:
        return evaluate_mteb(
            encoder,
            tasks,
            data,
            results=results or RESULTS,
            precision="fp32" if precision == "auto" else precision,
            progress=view,
        )


def show_all(evaluations: Sequence[Evaluation], encoder: LazyEncoder, *, json: bool, explained: bool) -> None:
    """One table for each; as JSON the first, with MTEB's under "mteb" where it is the second."""
    if json:
        first, *second = [evaluation.to_json() for evaluation in evaluations]
        console.show_json({**first, "mteb": second[0]} if second else first)
        return
    for evaluation in evaluations:
        show(evaluation)
        for line in notes(evaluation.results):
            console.say(line, style="dim")
        if explained:
            explain(evaluation, encoder)


def exit_code(evaluations: Sequence[Evaluation]) -> int:
    """0 all done, 3 some tasks left out, 1 nothing could be evaluated."""
    if not any(evaluation.problems for evaluation in evaluations):
        return 0
    return PARTIAL if any(evaluation.results for evaluation in evaluations) else 1


def notes(results: Sequence[Result]) -> list[str]:
    """Where the data of MTEB's tasks came from, how it differs from MTEB's own copy, and where the files are."""
    ours = [result for result in results if result.protocol == "mteb"]
    local = [result for result in ours if result.details["data"] != "hub"]
    lines = []
    if local:
        lines.append(f"fed from local folders in place of MTEB's download: {_names(local)}")
    lines += [
        f"{result.task}: {result.rows:,} rows here, {result.details['mteb_rows']:,} in MTEB's copy: do not compare it "
        "with published MTEB scores"
        for result in local
        if result.details.get("mteb_rows", result.rows) != result.rows
    ]
    other = [
        result
        for result in local
        if result.details.get("mteb_rows") == result.rows and not result.details["same_as_mteb"]
    ]
    if other:
        lines.append(
            f"as many rows as in MTEB's copy, but other characters (tokenised, cleaned): {_names(other)}"
        )
    parts = {r.details["mteb_task"]: r.details["subsets_here"] for r in local if "subsets_here" in r.details}
    lines += [f"{task}: {here} subsets are in the folder" for task, here in parts.items()]
    if taken := [result for result in ours if result.details.get("taken_from_file")]:
        lines.append(f"taken from earlier result files, nothing has changed since: {_names(taken)}")
    if unprompted := [r for r in ours if "not used" in r.details.get("prompt", "")]:
        lines.append(f"MTEB's prompt is not used, as the encoder has none: {_names(unprompted)}")
    if superseded := [r for r in ours if "superseded_by" in r.details]:
        pairs = {r.details["mteb_task"]: r.details["superseded_by"] for r in superseded}
        lines.append("MTEB has a newer version of: " + ", ".join(f"{a} ({b})" for a, b in pairs.items()))
    if ours:
        lines.append(f"result files of MTEB: {ours[-1].details['file'].rpartition('/')[0]}")
    return lines


def _names(results: Sequence[Result]) -> str:
    return ", ".join(dict.fromkeys(str(result.details["mteb_task"]) for result in results))
