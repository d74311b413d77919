"""balance: should synthetic negatives be hard, or different from each other?

difficulty = mean cosine of a row's mixtures with its query
diversity  = 1 - mean cosine of two mixtures of a row
score(b)   = b difficulty + (1 - b) diversity
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

from contrapose.experiment.trials import Trial, TrialResult
from studies.measuring import rounded
from studies.reading import (
    best_beside_worst,
    correlation,
    gain_of,
    noise_paired,
    points,
    pretrained_score,
    score,
    scored,
    trained,
    with_factors,
)
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow
from studies.untrained import batches_of_views

#: What is measured without training.
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
SIDES = ("difficulty", "diversity")
#: The mixtures of one setting before any training: k, alpha, num_mixtures, difficulty, diversity.
Mixtures = Mapping[str, Any]


def plan(setup: Setup) -> list[Planned]:
    """The mixtures of many settings without training, and runs with some; those of ``sensitivity`` are shared."""
    options = {
        "method": "look at mixed negatives",
        "max_length": setup.max_length,
        "batch_size": setup.batch_size,
    }
    untrained = setup.setting(tasks=()).trial({"look": "mixtures"}, options)
    wanted = [({**USUAL, **changed}, {"method": "hncse-hnm", **changed}) for changed in TRAINED]
    return [Planned(trial=untrained, measure=partial(_measure_mixtures, setup)), *setup.runs(wanted)]


def _measure_mixtures(setup: Setup, trial: Trial, folder: Path, listener: object = None) -> TrialResult:
    from contrapose.encoder.encoder import Encoder
    from contrapose.negatives.mixing import MixedNegatives

    encoder = Encoder.load(setup.model)
    batches = batches_of_views(encoder, setup)
    grid = []
    for k in PARENTS:
        for alpha in SHARES:
            for count in MIXTURES:
                share: dict[str, Any] = {"alpha_beta": 1.0} if alpha == "uniform" else {"alpha": alpha}
                source = MixedNegatives(width=encoder.width, k=k, num_mixtures=count, **share)
                stats = [dict(source.statistics) for views in batches if list(source.columns(views))]
                means = {
                    side: rounded(sum(float(each[f"mixture_{side}"]) for each in stats) / len(stats))
                    for side in SIDES
                }
                grid.append({"k": k, "alpha": alpha, "num_mixtures": count, **means})
    return TrialResult(facts={"grid": grid, "sentences": sum(views.num_rows for views in batches)})


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Both sides of every setting that was trained with, its score, and whether the score foretells the gain."""
    pretrained, grid, runs = pretrained_score(rows), _grid(rows), _runs(rows)
    table = []
    for row, mixtures in runs:
        sides = (*(mixtures[side] for side in SIDES), weighed(mixtures, 0.5))
        gain = points(gain_of(row, pretrained), signed=True)
        settings = (str(mixtures["k"]), f"{mixtures['alpha']:g}")
        table.append((*settings, *(f"{side:.3f}" for side in sides), points(score(row)), gain))
    words = [*_trade_off(grid), *_effect_of_count(grid), *_foretelling(runs)]
    named = [(value, _name(mixtures)) for row, mixtures in runs for value, _ in scored([row])]
    if said := best_beside_worst(named, noise_paired(studies)):
        words.append(f"Of the runs, {said}.")
    header = ("k", "alpha", *SIDES, "score(0.5)", "mean STS", "gain by training")
    return Findings(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Left: what the mixtures are like before any training; right: the score against what runs gained."""
    lines = [
        Marks(
            f"alpha {alpha}",
            [tuple(each[side] for side in SIDES) for each in _usual(rows) if each["alpha"] == alpha],
            True,
        )
        for alpha in SHARES
    ]
    runs = [Marks(_name(mixtures), [(weighed(mixtures, 0.5), score(row))]) for row, mixtures in _runs(rows)]
    return [
        Panel(
            x="difficulty: mean cosine with the query",
            y="diversity: 1 - mean cosine of mixtures",
            marks=lines,
        ),
        Panel(x="score(0.5) before training", y="mean STS after training, dev", marks=runs),
    ]


def weighed(mixtures: Mixtures, weight: float) -> float:
    """b difficulty + (1 - b) diversity.

    >>> weighed({"difficulty": 0.4, "diversity": 0.2}, 0.75)
    0.35
    """
    return float(round(weight * mixtures["difficulty"] + (1 - weight) * mixtures["diversity"], 6))


def _name(mixtures: Mixtures) -> str:
    return f"k {mixtures['k']}, alpha {mixtures['alpha']}"


def _grid(rows: Sequence[TrialRow]) -> list[Mixtures]:
    measured = with_factors(rows, look="mixtures")
    return list(measured[-1]["facts"]["grid"]) if measured else []


def _usual(rows: Sequence[TrialRow]) -> list[Mixtures]:
    return [mixtures for mixtures in _grid(rows) if mixtures["num_mixtures"] == USUAL["num_mixtures"]]


def _runs(rows: Sequence[TrialRow]) -> list[tuple[TrialRow, Mixtures]]:
    """Each run with what its mixtures were like before training."""
    by_setting = {tuple(mixtures[name] for name in USUAL): mixtures for mixtures in _grid(rows)}
    keyed = [(row, tuple(row["factors"].get(name) for name in USUAL)) for row in trained(rows)]
    return [(row, by_setting[key]) for row, key in keyed if key in by_setting]


def _trade_off(grid: Sequence[Mixtures]) -> list[str]:
    """Do the two sides exclude each other?"""
    usual = [each for each in grid if each["num_mixtures"] == USUAL["num_mixtures"]]
    of_sides = correlation(*([each[side] for each in usual] for side in SIDES))
    if of_sides is None:
        return []
    hardest, varied = (max(usual, key=itemgetter(side)) for side in SIDES)
    return [
        f"Over {len(usual)} settings difficulty and diversity are correlated with {of_sides.value:+.2f}: the hardest "
        f"mixtures ({_name(hardest)}) have difficulty {hardest['difficulty']:.2f} and diversity "
        f"{hardest['diversity']:.2f}, the most diverse ({_name(varied)}) {varied['difficulty']:.2f} and "
        f"{varied['diversity']:.2f}."
    ]


def _effect_of_count(grid: Sequence[Mixtures]) -> list[str]:
    """What the number of mixtures changes, everything else equal."""
    groups: dict[tuple[Any, Any], list[Mixtures]] = {}
    for each in grid:
        groups.setdefault((each["k"], each["alpha"]), []).append(each)
    if not groups:
        return []
    spans = {
        side: max(
            max(each[side] for each in same) - min(each[side] for each in same) for same in groups.values()
        )
        for side in SIDES
    }
    return [
        f"The number of mixtures moves difficulty by {spans['difficulty']:.3f} at most and diversity by "
        f"{spans['diversity']:.3f}."
    ]


def _foretelling(runs: Sequence[tuple[TrialRow, Mixtures]]) -> list[str]:
    """The correlation of the score with the result of training, for every weight: five looks at the same few runs."""
    known = [(value, mixtures) for row, mixtures in runs if (value := score(row)) is not None]
    by_weight = {}
    for weight in WEIGHTS:
        weights = [weighed(mixtures, weight) for _, mixtures in known]
        if (of_weight := correlation(weights, [value for value, _ in known])) is not None:
            by_weight[weight] = of_weight
    if not by_weight:
        return ["Too few runs to say whether the score foretells what training gains."]
    words = "; ".join(f"b = {weight:g}: {of_weight.cell}" for weight, of_weight in by_weight.items())
    clear = [f"{weight:g}" for weight, each in by_weight.items() if each.low > 0 or each.high < 0]
    conclusion = (
        f"The interval leaves out zero for b = {', '.join(clear)}, one of {len(by_weight)} looks at the same runs"
        if clear
        else "No weight foretells the gain beyond doubt"
    )
    return [f"Correlation of score(b) with mean STS over {len(known)} runs: {words}. {conclusion}."]


STUDY = Study(
    name="balance",
    question="Should synthetic negatives be hard, or different from each other?",
    plan=plan,
    answer=answer,
    figure=figure,
)
