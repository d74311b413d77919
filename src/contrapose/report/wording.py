"""The words of a report that HTML and Markdown share: numbers as text, names of curves, what each picture says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from contrapose.report.neighbours import MOST_CHANGES
from contrapose.report.record import BeforeAfter, Cell, LedgerScore, OwnText, RunFacts, TrialsFolder
from contrapose.selection.reported import PairedDifference
from contrapose.selection.scores import told

METRICS = {
    "spearman": "Spearman × 100",
    "accuracy": "accuracy, %",
    "average_precision": "average precision, %",
    "ndcg@10": "nDCG@10, %",
    "mrr@10": "MRR@10, %",
    "recall@100": "recall@100, %",
    "v_measure": "v-measure, %",
    "alignment": "alignment, lower is better",
    "uniformity": "uniformity, lower is better",
    "mean_cosine": "mean cosine, 0 is best",
    "effective_rank": "effective rank, higher is better",
    "iso_score": "IsoScore, higher is better",
    "hubness": "hubness, lower is better",
    "positive_rank": "rank of the partner, 1 is best",
}


#: Protocols whose numbers are no percentages.
_NO_PERCENTAGE = ("geometry", "label-free")


def score(value: float | None, protocol: str = "") -> str:
    """Two decimals; four for a small number of the geometry and of label-free scores, which are no percentages.

    >>> score(8.51129), score(0.0220123, "geometry"), score(0.0351, "label-free"), score(None)
    ('8.51', '0.0220', '0.0351', 'undefined')
    """
    if value is None:
        return "undefined"
    return f"{value:.4f}" if protocol in _NO_PERCENTAGE and abs(value) < 10 else f"{value:.2f}"


def interval(low: float | None, high: float | None, protocol: str = "", *, signed: bool = False) -> str:
    """
    >>> interval(1, 2.5), interval(-1, 2, signed=True), interval(None, None)
    ('[1.00, 2.50]', '[-1.00, +2.00]', '')
    """
    if low is None or high is None:
        return ""
    return f"[{low:+.2f}, {high:+.2f}]" if signed else f"[{score(low, protocol)}, {score(high, protocol)}]"


def row_name(task: str, metric: str, protocol: str) -> tuple[str, str]:
    """A row of the table and the words beside it; numbers of the geometry are known by their metric.

    >>> row_name("mqp", "accuracy", "x"), row_name("geometry", "hubness", "geometry")
    (('mqp', 'accuracy, %'), ('hubness', 'lower is better'))
    """
    words = METRICS.get(metric, metric)
    if protocol != "geometry":
        return task, words
    name, _, about = words.partition(", ")
    return name, about


def named(score: BeforeAfter, scores: Sequence[BeforeAfter]) -> str:
    """The task, with the measure where ``scores`` hold several differences of it."""
    same = [each for each in scores if each.task == score.task and each.difference is not None]
    return (
        score.task
        if len(same) < 2
        else f"{score.task} {METRICS.get(score.metric, score.metric).partition(',')[0]}"
    )


def with_interval(side: LedgerScore | None, protocol: str) -> tuple[str, str]:
    """The number and its interval as text."""
    if side is None:
        return "", ""
    return score(side.value, protocol), interval(side.low, side.high, protocol)


def difference_in_words(change: PairedDifference | None) -> tuple[str, str, str]:
    """Difference, interval, words."""
    if change is None:
        return "", "", ""
    return f"{change.value:+.2f}", interval(change.low, change.high, signed=True), change.words


def why_no_difference(row: BeforeAfter) -> str:
    """Why a row of the table has both of its numbers, or one, and no difference."""
    if row.before is None or row.after is None:
        return "one side missing"
    return "the same model" if row.before.entry == row.after.entry else "not paired"


def short(value: float) -> str:
    """Up to four figures, for axes and labels.

    >>> short(0.1 + 0.2), short(12345.6), short(1e-5), short(-2.0)
    ('0.3', '12346', '1e-05', '-2')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """
    >>> duration(42), duration(300), duration(9000)
    ('42 s', '5 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def sentence(run: RunFacts) -> str:
    """What was done, in a sentence or two; texts by the names of their files."""
    texts = ", ".join(PurePath(name).name or name for name in run.corpus)
    steps = f" for {run.steps:,} steps" if run.steps is not None else ""
    rows = f" on {run.rows:,} rows" if run.rows is not None else ""
    if run.pretrained_kept:
        return f"{run.method} was tried on {run.start_model}{steps}{rows} of {texts}; nothing of it is in the model."
    return f"{run.method} trained {run.start_model}{steps}{rows} of {texts}. {model_is(run)}".strip()


def model_is(run: RunFacts) -> str:
    """How much of what was trained is in the model, where it is not all of it."""
    if run.blend is None or run.blend == 1:
        return ""
    trained = 100 * run.blend
    return f"The model is a blend: {trained:g}% of the trained weights, {100 - trained:g}% of the pretrained ones."


def unblended(run: RunFacts) -> str:
    """A warning beside what was measured along training, where the model is not what training ended with."""
    if run.pretrained_kept:
        return f"This is of the encoder in training; the model of {run.name} is unchanged and holds nothing of it."
    if run.blend in (None, 1.0):
        return ""
    return f"This is of the encoder in training; of its weights the model of {run.name} holds {100 * run.blend:g}%."


def settings_of(run: RunFacts) -> list[tuple[str, str]]:
    """What a run was asked for and did: (name, value)."""
    chosen = "" if run.chosen_step in (None, run.steps) else f", the model is step {run.chosen_step}'s"
    if run.pretrained_kept:
        chosen = ", none of them in the model"
    facts = [
        ("method", run.method),
        ("pretrained model", run.start_model),
        ("text", ", ".join(run.corpus)),
        ("rows", f"{run.rows:,}" if run.rows is not None else ""),
        ("steps", f"{run.steps:,}{chosen}" if run.steps is not None else ""),
        ("batch", f"{run.batch_size:,} rows"),
        ("processes", f"{run.processes:,}" if run.processes is not None else ""),
        ("learning rate", f"{run.learning_rate:g}"),
        ("seed", str(run.seed)),
        ("trained weights in the model", f"{100 * run.blend:g}%" if run.blend is not None else ""),
        (
            "score by share of trained weights",
            ", ".join(f"{100 * share:g}%: {told(at, sign='+')}" for share, at in run.blend_scores),
        ),
        ("time", duration(run.seconds) if run.seconds is not None else ""),
        ("checkpoint by", run.criterion or "the last step"),
        ("folder", run.folder),
        ("model", run.fingerprint[:12]),
    ]
    return [(name, value) for name, value in facts if value]


def sample_size(own: OwnText) -> str:
    """Of which rows pictures are made."""
    return f"{len(own.texts):,} of {own.rows_of:,} {own.source}"


def group_name(words: tuple[str, ...], number: int) -> str:
    """
    >>> group_name(("tumor", "cancer"), 0), group_name((), 1)
    ('tumor, cancer', 'group 2')
    """
    return ", ".join(words) or f"group {number + 1}"


def seeds_of(cell: Cell) -> str:
    """
    >>> seeds_of(Cell(factors={}, mean=1.0, deviation=None, seeds=1, diverged=2))
    '1 seed, 2 diverged'
    """
    return f"{cell.seeds} seed{'' if cell.seeds == 1 else 's'}" + (
        f", {cell.diverged} diverged" if cell.diverged else ""
    )


def with_spread(cell: Cell, protocol: str) -> str:
    """
    >>> with_spread(Cell(factors={}, mean=1.0, deviation=0.25, seeds=2), "sts")
    '1.00 ± 0.25'
    """
    spread = "" if cell.deviation is None else f" ± {score(cell.deviation, protocol)}"
    return score(cell.mean, protocol) + spread


def changes_shown(own: OwnText) -> str:
    """How many of the sentences with other neighbours are listed."""
    count = len(own.changes)
    if count == MOST_CHANGES:
        return f"Shown are the {count} most changed sentences."
    return (
        f"{count} sentence{' has' if count == 1 else 's have'} other neighbours than before." if count else ""
    )


def not_finite(runs: Sequence[RunFacts]) -> list[str]:
    """A line per curve that has steps without a number."""
    return [
        f"{run.name}: {curve.name.replace('_', ' ')} was not finite at {curve.not_finite} steps"
        for run in runs
        for curve in run.curves
        if curve.not_finite
    ]


def over_seeds(trials: TrialsFolder) -> str:
    """
    >>> over_seeds(TrialsFolder(name="", folder="", trials=3, varied=("k",), numeric=("k",), tasks=(), notes=()))
    '3 trials, varied: k'
    """
    varied = ", ".join(trials.varied) or "nothing but the seed"
    return f"{trials.trials:,} trial{'' if trials.trials == 1 else 's'}, varied: {varied}"
