"""ablation: which half of each idea does the work?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.noise import Noise, in_words, noise_alone, noise_paired, paired
from studies.plans import runs
from studies.rows import (
    mean_score,
    points,
    score,
    start_score,
    task_value,
    trained,
    with_factors,
)
from studies.setup import JUDGED, Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Variant -> options. SimCSE is each idea with nothing of it left.
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "simcse": {"method": "simcse"},
    "focal-infonce": {"method": "focal-infonce"},
    "focal-infonce, positives only": {"method": "focal-infonce", "modulate_negative": False},
    "focal-infonce, negatives only": {"method": "focal-infonce", "modulate_positive": False},
    "hncse-pm": {"method": "hncse-pm"},
    "hncse-hnm": {"method": "hncse-hnm"},
    "hncse": {"method": "hncse"},
}


def plan(setup: Setup) -> list[Planned]:
    """Every variant with every seed; all variants of a seed first, so that half of the work is a whole table."""
    return runs(
        setup,
        (
            ({"variant": variant, "seed": seed}, {**options, "seed": seed})
            for seed in range(setup.seeds)
            for variant, options in VARIANTS.items()
        ),
    )


#: A whole method and its halves.
HALVES = {
    "focal-infonce": ("focal-infonce, positives only", "focal-infonce, negatives only"),
    "hncse": ("hncse-pm", "hncse-hnm"),
}
BASELINE = "simcse"


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """Every variant beside SimCSE, which is each idea with nothing of it left; seed by seed."""
    noise, found, start = noise_paired(studies), _by_variant(rows), start_score(rows)
    header = ("variant", "seeds", *JUDGED, "mean", "gain over the start", "beside SimCSE, same seeds")
    table, words = [], [noise_alone(studies).words, noise.words]
    for variant, runs_of in found.items():
        mean = mean_score(runs_of)
        beside = paired(runs_of, found.get(BASELINE, [])) if variant != BASELINE else None
        tasks = [_mean([task_value(row, task) for row in runs_of]) for task in JUDGED]
        gain = None if mean is None or start is None else mean - start
        table.append(
            (
                variant,
                str(len(runs_of)),
                *map(points, tasks),
                points(mean),
                points(gain, signed=True),
                points(beside[0], signed=True) if beside else "",
            )
        )
        if beside:
            words.append(f"{variant} beside SimCSE: {_told(beside, noise, len(found) - 1)}.")
    words += [line for whole in HALVES if (line := _halves(found, whole, noise))]
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Left: the score of every run; right: its difference to SimCSE with the same seed, and what luck explains."""
    found, noise, start = _by_variant(rows), noise_paired(studies), start_score(rows)
    drawn, ((left, right),) = figures.figure(2, width=10, height=3.6)
    for number, runs_of in enumerate(found.values()):
        for row in runs_of:
            filled = "full" if row["options"]["seed"] == 0 else "none"
            style = {**figures.look(number), "markersize": 7, "fillstyle": filled, "linestyle": ""}
            left.plot([score(row)], [number], **style)
            beside = paired([row], found.get(BASELINE, []))
            if beside is not None:
                right.plot([beside[0]], [number], **style)
    figures.noise_band(right, 0.0, noise.band(comparisons=max(1, len(found) - 1)), across="x")
    if start is not None:
        left.axvline(start, color="black", linestyle="--", linewidth=1, label="before training")
        left.legend(loc="best", fontsize=8)
    left.set_yticks(range(len(found)), list(found))
    right.set_yticks(range(len(found)), [""] * len(found))
    for axes in (left, right):
        axes.invert_yaxis()
    left.set_xlabel("mean STS, dev; a mark per seed (filled: 0)")
    right.set_xlabel("difference to SimCSE, same seed (grey: luck of a run)")
    return drawn


def _by_variant(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found = {variant: with_factors(trained(rows), variant=variant) for variant in VARIANTS}
    return {variant: runs_of for variant, runs_of in found.items() if runs_of}


def _halves(found: Mapping[str, Sequence[Row]], whole: str, noise: Noise) -> str:
    """Is the whole better than the better half? '' where a part is missing."""
    beside = {half: paired(found.get(half, []), found.get(BASELINE, [])) for half in HALVES[whole]}
    known = {half: difference for half, difference in beside.items() if difference is not None}
    if len(known) < len(beside) or whole not in found:
        return ""
    best = max(known, key=lambda half: known[half][0])
    difference = paired(found[whole], found[best])
    if difference is None:
        return ""
    return f"{whole} beside its better half ({best}): {_told(difference, noise, len(HALVES))}."


def _told(difference: tuple[float, int], noise: Noise, comparisons: int) -> str:
    """A mean over seeds in words; equal to the last digit is more than no clear difference."""
    mean, seeds = difference
    if mean == 0:
        return "the same to the last digit, so it did the same"
    return in_words(mean, noise.band(seeds, seeds, comparisons))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


STUDY = Study(
    name="ablation",
    question="Which half of each idea does the work: modulated positives or negatives, mixed positives or negatives?",
    plan=plan,
    answer=answer,
    figure=figure,
)
