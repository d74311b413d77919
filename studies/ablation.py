"""ablation: which half of each idea does the work?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from studies.reading import (
    SCORES,
    SeedNoise,
    in_words,
    noise_alone,
    noise_paired,
    paired,
    points,
    pretrained_score,
    score,
    score_cells,
    trained,
    with_factors,
)
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

BASELINE = "simcse"
#: Variant -> options of its runs.
Variants = Mapping[str, Mapping[str, Any]]
#: SimCSE is each idea with nothing of it left.
VARIANTS: Variants = {
    BASELINE: {"method": "simcse"},
    "focal-infonce": {"method": "focal-infonce"},
    "focal-infonce, positives only": {"method": "focal-infonce", "modulate_negative": False},
    "focal-infonce, negatives only": {"method": "focal-infonce", "modulate_positive": False},
    "hncse-pm": {"method": "hncse-pm"},
    "hncse-hnm": {"method": "hncse-hnm"},
    "hncse": {"method": "hncse"},
}
#: A whole method and its halves.
HALVES = {
    "focal-infonce": ("focal-infonce, positives only", "focal-infonce, negatives only"),
    "hncse": ("hncse-pm", "hncse-hnm"),
}


def plan(setup: Setup) -> list[Planned]:
    """Every variant with every seed."""
    return runs_of(VARIANTS, setup)


def runs_of(
    variants: Variants, setup: Setup, *, may_refuse: bool = False, rows: int | None = None
) -> list[Planned]:
    """All variants of a seed first, so that half of the work is a whole table. rows: of the corpus (all)."""
    wanted = [
        ({"variant": variant, "seed": seed}, {**options, "seed": seed})
        for seed in range(setup.seeds)
        for variant, options in variants.items()
    ]
    return setup.runs(wanted, may_refuse=may_refuse, rows=rows)


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Every variant beside SimCSE, and the whole of an idea beside its better half."""
    beside, noise, by_variant = (
        beside_simcse(VARIANTS, rows, studies),
        noise_paired(studies),
        _by_variant(VARIANTS, rows),
    )
    halves = [line for whole in HALVES if (line := _halves(by_variant, whole, noise))]
    return replace(beside, words=(*beside.words, *halves))


def beside_simcse(variants: Variants, rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Every variant beside SimCSE, seed by seed."""
    noise, by_variant, pretrained = noise_paired(studies), _by_variant(variants, rows), pretrained_score(rows)
    table, words = [], [noise_alone(studies).words, noise.words]
    for variant, runs in by_variant.items():
        beside = paired(runs, by_variant.get(BASELINE, [])) if variant != BASELINE else None
        last = points(beside[0], signed=True) if beside else ""
        table.append((variant, str(len(runs)), *score_cells(runs, pretrained), last))
        if beside:
            words.append(f"{variant} beside SimCSE: {_difference(beside, noise, len(by_variant) - 1)}.")
    header = ("variant", "seeds", *SCORES, "beside SimCSE, same seeds")
    return Findings(words=tuple(words), header=header, table=tuple(table))


def beside_wholes(
    variants: Variants, whole_of: Mapping[str, str], rows: Sequence[TrialRow], studies: AllRows
) -> list[str]:
    """Every variant beside the whole method that it is a part of, seed by seed; of those that both were run."""
    noise, by_variant = noise_paired(studies), _by_variant(variants, rows)
    pairs = {
        (variant, whole): difference
        for variant, whole in whole_of.items()
        if (difference := paired(by_variant.get(variant, []), by_variant.get(whole, [])))
    }
    return [
        f"{variant} beside {whole}, same seeds: {_difference(difference, noise, len(pairs))}."
        for (variant, whole), difference in pairs.items()
    ]


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """All variants, run by run."""
    return panels_of(VARIANTS, rows, studies)


def panels_of(variants: Variants, rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Left: the score of every run; right: its difference to SimCSE with the same seed, and what chance explains."""
    by_variant = _by_variant(variants, rows)
    names = list(by_variant)
    baseline = by_variant.get(BASELINE, [])
    scores = [Marks(name, [(score(row), at) for row in by_variant[name]]) for at, name in enumerate(names)]
    beside = [
        Marks(name, [(change[0], at) for row in by_variant[name] if (change := paired([row], baseline))])
        for at, name in enumerate(names)
    ]
    band = noise_paired(studies).band(comparisons=max(1, len(names) - 1))
    return [
        Panel(
            x="mean STS, dev; a mark per seed (dashed: before training)",
            y="",
            marks=scores,
            y_names=names,
            line=pretrained_score(rows),
        ),
        Panel(
            x="beside SimCSE, same seed (grey: chance, one seed)",
            y="",
            marks=beside,
            y_names=names,
            band=(0, band),
        ),
    ]


def _by_variant(variants: Variants, rows: Sequence[TrialRow]) -> dict[str, list[TrialRow]]:
    by_variant = {variant: with_factors(trained(rows), variant=variant) for variant in variants}
    return {variant: runs for variant, runs in by_variant.items() if runs}


def _halves(by_variant: Mapping[str, Sequence[TrialRow]], whole: str, noise: SeedNoise) -> str:
    """Is the whole better than the better half? "" where a part is missing."""
    baseline = by_variant.get(BASELINE, [])
    gains = {half: paired(by_variant.get(half, []), baseline) for half in HALVES[whole]}
    known = {half: change[0] for half, change in gains.items() if change is not None}
    if len(known) < len(gains) or whole not in by_variant:
        return ""
    best = max(known, key=lambda half: known[half])
    difference = paired(by_variant[whole], by_variant[best])
    if difference is None:
        return ""
    return f"{whole} beside its better half ({best}): {_difference(difference, noise, len(HALVES))}."


def _difference(difference: tuple[float, int], noise: SeedNoise, comparisons: int) -> str:
    """A mean over seeds in words; equal to the last digit is more than no clear difference."""
    change, seeds = difference
    if change == 0:
        return "the same to the last digit, so it did the same"
    return in_words(change, noise.band(seeds, seeds, comparisons))


STUDY = Study(
    name="ablation",
    question="Which half of each idea does the work: modulated positives or negatives, mixed positives or negatives?",
    plan=plan,
    answer=answer,
    figure=figure,
)
