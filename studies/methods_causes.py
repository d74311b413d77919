"""Why some methods end below SimCSE: what the study ``ingredients`` finds for each, in words that its numbers choose.

whole     the method; without, alone: a run without the suspected ingredient, or of SimCSE with it and nothing else
gap       SimCSE - whole
begins    the method before it is trained: its vectors may be others than the start's
found     where without is above the whole by half of the gap or more, alone below SimCSE, or what begins below the
          start, by as much
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contrapose.experiment.measuring import UNTRAINED
from studies.ablation import BASELINE
from studies.reading import mean, paired, points, pretrained_score, score, with_factors
from studies.study import TrialRow

#: Of the gap that an ingredient must explain.
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What is suspected, in words; the variants of ``ingredients`` that tell, and their names in a sentence."""

    words: str
    without: Mapping[str, str] | None = None
    alone: Mapping[str, str] | None = None
    begins: str | None = None


#: Method -> what is suspected of it. Whether it is found is decided by the rows.
CAUSES: Mapping[str, Cause] = {
    "debcse": Cause(
        words="its positives: in place of another dropout of a text they are other texts of like words and meaning, "
        "which say something else",
        without={"debcse, its negatives alone": "with its negatives alone"},
    ),
    "core-tuning": Cause(
        words="its focal weight 1 - p: rows that the model is sure of, soon nearly all, hardly count",
        without={"core-tuning, both without its weight": "both of its mixings without the weight"},
    ),
    "debiased": Cause(
        words="the share that it takes off: where a positive stands out, at t = 0.05 a thousandth of it outweighs the "
        "mean of the negatives, and such a row pushes nothing",
        without={"debiased, a tenth of the share": "with a tenth of the share"},
    ),
    "fedrcl": Cause(
        words="its penalty: two dropouts of a text lie above its threshold, and are pushed apart, at an inner layer "
        "above all",
        without={
            "fedrcl, a tenth of the penalty": "with a tenth of the penalty",
            "fedrcl, the last layer alone": "at the last layer alone",
        },
    ),
    "kdmcse": Cause(
        words="its teacher, which is the start here and knows less than the model soon does",
        without={"kdmcse, minilm as the teacher": "with minilm as the teacher"},
    ),
    "pnr": Cause(
        words="its targets, vectors of the earlier model, which is the start here: to stay near it is to learn less",
        without={
            "pnr, its pseudo-negatives alone": "with its pseudo-negatives alone",
            "pnr, minilm as the earlier model": "with minilm as the earlier model",
        },
    ),
    "diffcse": Cause(
        words="its head, two layers with batch normalisation that begin at random and are thrown away after training",
        alone={"diffcse, its head alone": "SimCSE with that head and no discriminator"},
    ),
    "promptbert": Cause(
        words="its vectors: the state at the mask of a template begins far below the mean of all states, and in so few "
        "steps does not catch up",
        begins="promptbert, hardly trained",
    ),
    "simcse-mlm": Cause(
        words="the further task of filling in words: the SimCSE paper too found that it costs STS",
        without={"simcse-mlm, a tenth of its weight": "with a tenth of its weight"},
    ),
}


def causes(rows: Sequence[TrialRow]) -> Iterator[str]:
    """One line for each method of :data:`CAUSES` that was run, of those that end below SimCSE."""
    simcse = with_factors(rows, variant=BASELINE)
    for method, cause in CAUSES.items():
        whole = paired(with_factors(rows, variant=method), simcse)
        if whole is None or whole[0] >= 0:
            continue
        tried = {**(cause.without or {}), **(cause.alone or {})}
        beside = {
            words: change[0]
            for variant, words in tried.items()
            if (change := paired(with_factors(rows, variant=variant), simcse)) is not None
        }
        numbers = [f"{words} {points(change, signed=True)}" for words, change in beside.items()]
        first = _beginning(cause, rows)
        if first is not None:
            numbers.append(f"before training {points(first, signed=True)} beside the start")
        said = f"`{method}` {points(whole[0], signed=True)}"
        if not numbers:
            yield f"- {said}: not taken apart yet."
        elif _found(whole[0], beside, cause) or (first is not None and -first >= HALF * -whole[0]):
            yield f"- {said}: {cause.words} ({', '.join(numbers)})."
        else:
            yield f"- {said}: not found; it is not {cause.words} ({', '.join(numbers)})."


def _beginning(cause: Cause, rows: Sequence[TrialRow]) -> float | None:
    """How far the method lies from the start before it is trained; None where that was not run."""
    start = pretrained_score(rows)
    before = mean(map(score, with_factors(rows, variant=cause.begins))) if cause.begins else None
    return None if start is None or before is None else before - start


def _found(whole: float, beside: Mapping[str, float], cause: Cause) -> bool:
    """See the module's docstring; ``whole`` and ``beside`` are differences to SimCSE."""
    without = [beside[words] - whole for words in (cause.without or {}).values() if words in beside]
    alone = [-beside[words] for words in (cause.alone or {}).values() if words in beside]
    return max([*without, *alone], default=0.0) >= HALF * -whole


def section(rows: Sequence[TrialRow], start: str) -> list[str]:
    """The part of the page; nothing where the study was not run from this start."""
    lines = list(causes(rows))
    if not lines:
        return []
    before = points(pretrained_score([row for row in rows if row["options"].get("method") == UNTRAINED]))
    return [
        "",
        "### Why some harm",
        "",
        f"Each method that ends below SimCSE is taken apart from `{start}`, by the study [ingredients](studies.md).",
        "The numbers are differences to SimCSE of equal seeds, on the development splits of STS-B and SICK,",
        f"where the start has {before}. A cause is named where it explains half of a method's difference or more: then",
        "it is the method's nature, or that of so short a training.",
        "",
        *lines,
    ]
