"""ablation: which half of each idea does the work?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from contrapose.experiment import study_figures as figures
from contrapose.experiment.study import AllRows, Answer, Row, Study
from contrapose.experiment.study_plans import runs
from contrapose.experiment.study_rows import (
    Noise,
    in_words,
    mean_score,
    noise_of,
    points,
    score,
    start_score,
    task_value,
    trained,
    with_factors,
)
from contrapose.experiment.study_setup import JUDGED, Planned, Setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Variant -> options. SimCSE is each idea with nothing of it left.
VARIANTS = {
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
    """Every variant beside SimCSE, which is each idea with nothing of it left."""
    noise, found, start = noise_of(studies), _by_variant(rows), start_score(rows)
    header = ("variant", "seeds", *JUDGED, "mean", "gain over the start", "beside SimCSE")
    table, words = [], [noise.words]
    for variant, runs_of in found.items():
        mean = mean_score(runs_of)
        beside = _beside(found, variant, noise) if variant != BASELINE and BASELINE in found else None
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
            words.append(f"{variant} beside SimCSE: {in_words(*beside)}.")
    words += [line for whole in HALVES if (line := _halves(found, whole, noise))]
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """The score of every run, with what luck explains around SimCSE."""
    found, noise, start = _by_variant(rows), noise_of(studies), start_score(rows)
    drawn, ((axes,),) = figures.figure(height=3.8)
    for number, runs_of in enumerate(found.values()):
        values = [value for row in runs_of if (value := score(row)) is not None]
        axes.plot(values, [number] * len(values), linestyle="", **{**figures.look(number), "markersize": 7})
    centre = mean_score(found.get(BASELINE, []))
    if centre is not None:
        others = max(1, len(found) - 1)
        seeds = max(len(runs_of) for runs_of in found.values())
        figures.noise_band(axes, centre, noise.band(seeds, seeds, others), across="x")
    if start is not None:
        axes.axvline(start, color="black", linestyle="--", linewidth=1, label="before training")
    axes.set_yticks(range(len(found)), list(found))
    axes.invert_yaxis()
    axes.set_xlabel("mean of STS-B dev and SICK trial (Spearman x 100); one mark per seed")
    axes.legend(loc="lower right")
    return drawn


def _by_variant(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found = {variant: with_factors(trained(rows), variant=variant) for variant in VARIANTS}
    return {variant: runs_of for variant, runs_of in found.items() if runs_of}


def _beside(found: Mapping[str, Sequence[Row]], variant: str, noise: Noise) -> tuple[float, float] | None:
    """The difference to SimCSE, and the band for all variants at once."""
    mean, baseline = mean_score(found[variant]), mean_score(found[BASELINE])
    if mean is None or baseline is None:
        return None
    return mean - baseline, noise.band(len(found[variant]), len(found[BASELINE]), len(found) - 1)


def _halves(found: Mapping[str, Sequence[Row]], whole: str, noise: Noise) -> str:
    """Is the whole better than the better half? '' where a part is missing."""
    scores = {name: mean_score(found.get(name, [])) for name in (whole, *HALVES[whole])}
    known = {name: value for name, value in scores.items() if value is not None}
    if len(known) < len(scores):
        return ""
    best = max(HALVES[whole], key=lambda name: known[name])
    band = noise.band(len(found[whole]), len(found[best]), len(HALVES))
    return f"{whole} beside its better half ({best}): {in_words(known[whole] - known[best], band)}."


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
