"""dynamics: what happens along the training, and what do extreme settings do to it?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from studies.reading import gain_of, points, pretrained_score, with_factors
from studies.runs import METHODS, Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

USUAL = "usual"
#: Margins of Focal-InfoNCE beside its own, 0.3: from none to one.
MARGINS = (0.0, 0.15, 0.6, 1.0)
#: Setting -> options and the methods that are put to it.
EXTREMES: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "learning rate 1e-3": ({"learning_rate": 1e-3}, ("simcse", "focal-infonce", "hncse")),
    "temperature 0.005": ({"temperature": 0.005}, ("simcse", "focal-infonce", "hncse")),
    "temperature 1": ({"temperature": 1.0}, ("simcse",)),
    **{f"margin {margin:g}": ({"margin": margin}, ("focal-infonce",)) for margin in MARGINS},
}
#: Panels of the figure: name in metrics.jsonl -> what it is called, and its scale.
PANELS = {
    "loss": ("loss", "log"),
    "alignment": ("alignment (lower is better)", "linear"),
    "uniformity": ("uniformity (lower is better)", "linear"),
    "positive_cosine": ("cosine with the positive", "linear"),
    "hardest_negative_cosine": ("cosine with the hardest negative", "linear"),
    "grad_norm": ("norm of the gradient", "log"),
}
#: A score that falls this far below that of the pretrained model is harm that nobody needs a test for.
HARM = 5.0
#: A loss below this share of that of guessing leaves little to learn.
SOLVED = 0.01


def plan(setup: Setup) -> list[Planned]:
    """Every method with its own hyperparameters, and some of them with values that nobody should choose."""
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"method": name, "setting": USUAL}, {"method": name}) for name in METHODS
    ]
    for setting, (options, methods) in EXTREMES.items():
        wanted += [({"method": name, "setting": setting}, {"method": name, **options}) for name in methods]
    return setup.runs(wanted)


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """One line per run: from where to where, and whether anything went wrong."""
    pretrained, runs = pretrained_score(rows), _runs(rows)
    header = ("method", "setting", "loss", "alignment", "uniformity", "gain", "what happened")
    table = []
    for row in runs:
        gain = gain_of(row, pretrained)
        spans = [_span(_curve(row, name)) for name in ("loss", "alignment", "uniformity")]
        table.append(
            (
                row["factors"]["method"],
                row["factors"]["setting"],
                *spans,
                points(gain, signed=True),
                _outcome(row, gain),
            )
        )
    usual = with_factors(runs, setting=USUAL)
    words = [*_loss_words(usual), *_trends(usual)]
    words += [line for setting in EXTREMES if (line := _extreme(runs, setting, pretrained))]
    words.append(
        "Curves are of training batches with dropout, one seed; with mixing, the positive is the mixed one."
    )
    return Findings(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """The usual runs, one panel per number; the learning rate falls to zero along each."""
    panels = []
    for name, (title, scale) in PANELS.items():
        marks = []
        for row in with_factors(_runs(rows), setting=USUAL):
            curve = row["facts"].get("curve", {})
            line = list(zip(curve.get("step", ()), curve.get(name, ()), strict=False))
            marks.append(Marks(row["factors"]["method"], line, joined=True))
        panels.append(Panel(x="step", y="", marks=marks, title=title, y_scale=scale))
    return panels


def _runs(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """All but the pretrained model; runs that failed among them."""
    return [row for row in rows if "setting" in row["factors"]]


def _curve(row: TrialRow, name: str) -> list[float]:
    """The stretches of a curve that have a number."""
    return [value for value in row["facts"].get("curve", {}).get(name, ()) if value is not None]


def _span(values: Sequence[float]) -> str:
    return f"{_short(values[0])} → {_short(values[-1])}" if values else "–"


def _short(value: float) -> str:
    """Rows of early versions were kept to four decimals.

    >>> _short(0.0), _short(0.000123456)
    ('<0.0001', '0.000123')
    """
    return f"{value:.3g}" if value else "<0.0001"


def _outcome(row: TrialRow, gain: float | None) -> str:
    facts = row["facts"]
    if "failed" in facts:
        return "diverged, stopped"
    events = ["collapse alarm"] if facts.get("collapse_alarm") else []
    if facts.get("skipped_steps"):
        events.append(f"{facts['skipped_steps']} steps skipped")
    if gain is not None and gain < -HARM:
        events.append("harmed")
    return ", ".join(events) or "finished"


def _loss_words(usual: Sequence[TrialRow]) -> list[str]:
    """Is there anything left to learn? A loss of ln(batch size) is guessing, 0 is every positive found for certain."""
    for row in with_factors(usual, method="simcse"):
        if losses := _curve(row, "loss"):
            guessing = math.log(row["options"]["batch_size"])
            words = (
                f"The loss of SimCSE begins at {_short(losses[0])}, where guessing would be {guessing:.2f}"
            )
            if losses[0] < SOLVED * guessing:
                words += (
                    ": the pretrained model tells the two views of a sentence from all others before any training, so "
                    "gradients are small and come from few rows, and Adam, which divides by their size, moves the "
                    "weights all the same"
                )
            return [f"{words}."]
    return []


def _trends(usual: Sequence[TrialRow]) -> list[str]:
    """Which way the curves go where nothing is extreme."""
    words = []
    for name in ("alignment", "uniformity"):
        spans = {row["factors"]["method"]: values for row in usual if (values := _curve(row, name))}
        changes = [f"{values[-1] - values[0]:+.3f} with {method}" for method, values in spans.items()]
        if changes:
            words.append(
                f"With the usual hyperparameters {name}, of which less is better, changes along the run by "
                f"{', '.join(changes)}: one seed each, whose luck is in it."
            )
    return words


def _extreme(runs: Sequence[TrialRow], setting: str, pretrained: float | None) -> str:
    """What a setting did to the methods that were put to it."""
    outcomes = []
    for row in with_factors(runs, setting=setting):
        gain = gain_of(row, pretrained)
        change = "" if gain is None else f" ({gain:+.2f})"
        outcomes.append(f"{row['factors']['method']}: {_outcome(row, gain)}{change}")
    return f"{setting[0].upper()}{setting[1:]}: {'; '.join(outcomes)}." if outcomes else ""


STUDY = Study(
    name="dynamics",
    question="What happens along the training, and what do extreme settings do to it?",
    plan=plan,
    answer=answer,
    figure=figure,
)
