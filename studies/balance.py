"""balance: should synthetic negatives be hard, or different from each other?

difficulty = mean cosine of a row's mixtures with its query
diversity  = 1 - mean cosine of two mixtures of a row
score(b)   = b difficulty + (1 - b) diversity
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.experiment.trials import Trial, TrialResult
from studies import figures
from studies.measuring import rounded
from studies.noise import in_words, noise_paired
from studies.plans import runs
from studies.rows import (
    correlation,
    points,
    score,
    start_score,
    trained,
    with_factors,
)
from studies.setup import Planned, Setup
from studies.study import AllRows, Answer, Row, Study
from studies.views import LOOKED_AT, dropout_views

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What is looked at without training.
PARENTS, SHARES, MIXTURES = (2, 4, 10, 20, 32, 63), (0.5, 0.2, 0.0, "uniform"), (10, 40, 160)
USUAL = {"k": 10, "alpha": 0.5, "num_mixtures": 40}
#: What is trained with: from all difficulty to all diversity.
TRAINED: tuple[dict[str, Any], ...] = (
    {},
    {"k": 2},
    {"k": 63},
    {"alpha": 0.2},
    {"k": 32},
    {"k": 4},
    {"k": 63, "alpha": 0.0},
)
#: Weights of difficulty in the score.
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def plan(setup: Setup) -> list[Planned]:
    """One look at many settings, and runs with some of them; those of ``sensitivity`` are shared."""
    look = setup.setting(tasks=()).trial(
        {"look": "mixtures"},
        {
            "method": "look at mixed negatives",
            "max_length": setup.max_length,
            "batch_size": setup.batch_size,
        },
    )
    wanted = [({**USUAL, **numbers}, {"method": "hncse-hnm", **numbers}) for numbers in TRAINED]
    return [Planned(trial=look, measure=partial(_look, setup)), *runs(setup, wanted)]


def _look(setup: Setup, trial: Trial, place: Path, listener: object = None) -> TrialResult:
    from contrapose.encoder.encoder import Encoder

    encoder = Encoder.load(setup.model)
    views = list(
        dropout_views(
            encoder, setup.texts()[:LOOKED_AT], batch_size=setup.batch_size, max_length=setup.max_length
        )
    )
    grid = [
        {"k": k, "alpha": alpha, "num_mixtures": count, **_both_sides(views, encoder.width, k, alpha, count)}
        for k in PARENTS
        for alpha in SHARES
        for count in MIXTURES
    ]
    return TrialResult(facts={"grid": grid, "sentences": sum(batch.num_rows for batch in views)})


def _both_sides(views: list[Any], width: int, k: int, alpha: float | str, count: int) -> dict[str, float]:
    """Difficulty and diversity, mean over the batches."""
    from contrapose.negatives.mixing import MixedNegatives

    share: dict[str, Any] = {"alpha_beta": 1.0} if alpha == "uniform" else {"alpha": alpha}
    source = MixedNegatives(width=width, k=k, num_mixtures=count, **share)
    told = [found.stats for batch in views if (found := source.candidates(batch)) is not None]
    return {
        name: rounded(sum(float(stats[f"mixture_{name}"]) for stats in told) / len(told))
        for name in ("difficulty", "diversity")
    }


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """Both sides of every setting that was trained with, its score, and whether the score foretells the gain."""
    noise, start = noise_paired(studies), start_score(rows)
    cells, found = _cells(rows), _both(rows)
    header = ("k", "alpha", "difficulty", "diversity", "score(0.5)", "mean STS", "gain over the start")
    table = []
    for row, cell in found:
        value = score(row)
        gain = None if value is None or start is None else value - start
        sides = [f"{number:.3f}" for number in (cell["difficulty"], cell["diversity"], weighed(cell, 0.5))]
        table.append((str(cell["k"]), f"{cell['alpha']:g}", *sides, points(value), points(gain, signed=True)))
    words = [*_front_words(cells), *_count_words(cells), *_foretelling(found)]
    if len(found) > 1:
        scored = [(value, cell) for row, cell in found if (value := score(row)) is not None]
        (low, worst), (high, best) = min(scored, key=_first), max(scored, key=_first)
        band = noise.band(comparisons=len(scored) * (len(scored) - 1) // 2)
        words.append(
            f"The best run ({_name(best)}) beside the worst ({_name(worst)}): {in_words(high - low, band)}."
        )
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Left: what the mixtures are like before any training; right: the score against what runs gained."""
    drawn, ((left, right),) = figures.figure(2, width=10, height=4.0)
    usual = [cell for cell in _cells(rows) if cell["num_mixtures"] == USUAL["num_mixtures"]]
    for number, alpha in enumerate(SHARES):
        line = [cell for cell in usual if cell["alpha"] == alpha]
        label = f"alpha {alpha}"
        left.plot(
            [cell["difficulty"] for cell in line],
            [cell["diversity"] for cell in line],
            label=label,
            **figures.look(number),
        )
    for cell in usual:
        if cell["alpha"] == USUAL["alpha"]:
            at = (cell["difficulty"], cell["diversity"])
            left.annotate(f"k {cell['k']}", at, textcoords="offset points", xytext=(4, 4), fontsize=8)
    left.set_xlabel("difficulty: mean cosine with the query")
    left.set_ylabel("diversity: 1 - mean cosine of mixtures")
    left.legend(fontsize=8)
    found = [(weighed(cell, 0.5), score(row), cell) for row, cell in _both(rows)]
    right.plot([x for x, _, _ in found], [y for _, y, _ in found], linestyle="", **figures.look(0))
    for x, y, cell in found:
        right.annotate(_name(cell), (x, y or 0.0), textcoords="offset points", xytext=(4, 4), fontsize=8)
    right.set_xlabel("score(0.5) at the start")
    right.set_ylabel("mean STS after training, dev")
    return drawn


def weighed(cell: dict[str, Any], weight: float) -> float:
    """b difficulty + (1 - b) diversity.

    >>> weighed({"difficulty": 0.4, "diversity": 0.2}, 0.75)
    0.35
    """
    return float(round(weight * cell["difficulty"] + (1 - weight) * cell["diversity"], 6))


def _first(pair: tuple[float, dict[str, Any]]) -> float:
    return pair[0]


def _name(cell: dict[str, Any]) -> str:
    return f"k {cell['k']}, alpha {cell['alpha']:g}"


def _cells(rows: Sequence[Row]) -> list[dict[str, Any]]:
    looks = with_factors(rows, look="mixtures")
    return list(looks[-1]["facts"]["grid"]) if looks else []


def _both(rows: Sequence[Row]) -> list[tuple[Row, dict[str, Any]]]:
    """Each run with what its mixtures were like at the start."""
    cells = {(cell["k"], cell["alpha"], cell["num_mixtures"]): cell for cell in _cells(rows)}
    keyed = [(row, tuple(row["factors"].get(name) for name in USUAL)) for row in trained(rows)]
    return [(row, cells[key]) for row, key in keyed if key in cells]


def _front_words(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Do the two sides exclude each other?"""
    usual = [cell for cell in cells if cell["num_mixtures"] == USUAL["num_mixtures"]]
    found = correlation([cell["difficulty"] for cell in usual], [cell["diversity"] for cell in usual])
    if found is None:
        return []
    hardest = max(usual, key=lambda cell: float(cell["difficulty"]))
    varied = max(usual, key=lambda cell: float(cell["diversity"]))
    return [
        f"Over {len(usual)} settings difficulty and diversity are correlated with {found.value:+.2f}: the hardest "
        f"mixtures ({_named(hardest)}) have difficulty {hardest['difficulty']:.2f} and diversity "
        f"{hardest['diversity']:.2f}, the most diverse ({_named(varied)}) {varied['difficulty']:.2f} and "
        f"{varied['diversity']:.2f}."
    ]


def _named(cell: dict[str, Any]) -> str:
    return f"k {cell['k']}, alpha {cell['alpha']}"


def _count_words(cells: Sequence[dict[str, Any]]) -> list[str]:
    """What the number of mixtures changes, everything else equal."""
    groups: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["k"], cell["alpha"]), []).append(cell)
    if not groups:
        return []
    spans = {
        side: max(
            max(cell[side] for cell in same) - min(cell[side] for cell in same) for same in groups.values()
        )
        for side in ("difficulty", "diversity")
    }
    return [
        f"The number of mixtures moves difficulty by {spans['difficulty']:.3f} at most and diversity by "
        f"{spans['diversity']:.3f}."
    ]


def _foretelling(found: Sequence[tuple[Row, dict[str, Any]]]) -> list[str]:
    """The correlation of the score with the result of training, for every weight: five looks at the same few runs."""
    known = [(value, cell) for row, cell in found if (value := score(row)) is not None]
    told = []
    for weight in WEIGHTS:
        scores = [weighed(cell, weight) for _, cell in known]
        if (of := correlation(scores, [value for value, _ in known])) is not None:
            told.append((weight, of))
    if not told:
        return ["Too few runs to say whether the score foretells what training gains."]
    words = "; ".join(
        f"b = {weight:g}: {of.value:+.2f} [{of.low:+.2f}, {of.high:+.2f}]" for weight, of in told
    )
    clear = [weight for weight, of in told if of.low > 0 or of.high < 0]
    verdict = (
        f"The interval leaves out zero for b = {', '.join(f'{weight:g}' for weight in clear)}, one of {len(told)} "
        "looks at the same runs"
        if clear
        else "No weight foretells the gain beyond doubt"
    )
    return [f"Correlation of score(b) with mean STS over {len(known)} runs: {words}. {verdict}."]


STUDY = Study(
    name="balance",
    question="Should synthetic negatives be hard, or different from each other?",
    plan=plan,
    answer=answer,
    figure=figure,
)
