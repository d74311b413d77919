"""dynamics: what happens along the training, and what do extreme settings do to it?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.plans import METHODS, runs
from studies.rows import points, score, start_score, with_factors
from studies.setup import Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Setting -> options and the methods that are put to it.
EXTREMES: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "learning rate 1e-3": ({"learning_rate": 1e-3}, ("simcse", "focal-infonce", "hncse")),
    "temperature 0.005": ({"temperature": 0.005}, ("simcse", "focal-infonce", "hncse")),
    "temperature 1": ({"temperature": 1.0}, ("simcse",)),
}
USUAL = "usual"
#: Panels of the figure: name in metrics.jsonl -> what it is called.
PANELS = {
    "loss": "loss (logarithmic)",
    "alignment": "alignment (lower is better)",
    "uniformity": "uniformity (lower is better)",
    "positive_cosine": "cosine with the positive",
    "hardest_negative_cosine": "cosine with the hardest negative",
    "grad_norm": "norm of the gradient (logarithmic)",
}
#: Panels over so many sizes that only a logarithm shows them.
LOGARITHMIC = ("loss", "grad_norm")
#: A score that falls this far below the start is harm that nobody needs a test for.
RUINED = 5.0
#: A loss below this share of that of guessing leaves little to learn.
SOLVED = 0.01


def plan(setup: Setup) -> list[Planned]:
    """Every method with the usual numbers, and some of them with numbers that nobody should choose."""
    wanted = [({"method": name, "setting": USUAL}, dict(options)) for name, options in METHODS.items()]
    for setting, (options, methods) in EXTREMES.items():
        wanted += [({"method": name, "setting": setting}, {**METHODS[name], **options}) for name in methods]
    return runs(setup, wanted)


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """One line per run: from where to where, and whether anything went wrong."""
    start = start_score(rows)
    header = ("method", "setting", "loss", "alignment", "uniformity", "gain", "what happened")
    table, words = [], []
    for row in _runs(rows):
        factors, curve = row["factors"], row["facts"].get("curve", {})
        value = score(row)
        gain = None if value is None or start is None else value - start
        spans = [_span(curve, name) for name in ("loss", "alignment", "uniformity")]
        table.append(
            (factors["method"], factors["setting"], *spans, points(gain, signed=True), _fate(row, gain))
        )
    usual = with_factors(_runs(rows), setting=USUAL)
    words += [*_loss_words(usual), *_usual_words(usual)]
    words += [line for setting in EXTREMES if (line := _extreme_words(rows, setting, start))]
    words.append(
        "Curves are of training batches with dropout, one seed; with mixing, the positive is the mixed one."
    )
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """The usual runs, one panel per number; the learning rate falls to zero along each."""
    drawn, axes = figures.figure(3, 2, width=10, height=5.6)
    usual = with_factors(_runs(rows), setting=USUAL)
    for panel, (name, title) in zip(axes.flat, PANELS.items(), strict=True):
        for number, row in enumerate(usual):
            curve = row["facts"].get("curve", {})
            if name in curve:
                panel.plot(curve["step"], curve[name], label=row["factors"]["method"], **figures.look(number))
        panel.set_title(title, fontsize=10)
        if name in LOGARITHMIC and usual:
            panel.set_yscale("log")
        panel.set_xlabel("step")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if handles:
        drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return drawn


def _runs(rows: Sequence[Row]) -> list[Row]:
    """All but the start; runs that failed among them."""
    return [row for row in rows if "setting" in row["factors"]]


def _span(curve: Mapping[str, Sequence[float | None]], name: str) -> str:
    """First and last stretch of a curve."""
    known = [value for value in curve.get(name, ()) if value is not None]
    return f"{_told(known[0])} → {_told(known[-1])}" if known else "–"


def _told(value: float) -> str:
    """Rows of early versions were kept to four decimals.

    >>> _told(0.0), _told(0.000123456)
    ('<0.0001', '0.000123')
    """
    return f"{value:.3g}" if value else "<0.0001"


def _fate(row: Row, gain: float | None) -> str:
    facts = row["facts"]
    if "failed" in facts:
        return "diverged, stopped"
    told = ["collapse alarm"] if facts.get("collapse_alarm") else []
    if facts.get("skipped_steps"):
        told.append(f"{facts['skipped_steps']} steps skipped")
    if gain is not None and gain < -RUINED:
        told.append("harmed")
    return ", ".join(told) or "finished"


def _loss_words(usual: Sequence[Row]) -> list[str]:
    """Is there anything left to learn? A loss of ln(batch size) is guessing, 0 is every positive found for certain."""
    found = [row for row in with_factors(usual, method="simcse") if _known(row, "loss")]
    if not found:
        return []
    first, guessing = _known(found[0], "loss")[0], math.log(found[0]["options"]["batch_size"])
    words = f"The loss of SimCSE begins at {_told(first)}, where guessing would be {guessing:.2f}"
    if first < SOLVED * guessing:
        words += (
            ": the start tells the two views of a sentence from all others before any training, so gradients are small "
            "and come from few rows, and Adam, which divides by their size, moves the weights all the same"
        )
    return [f"{words}."]


def _usual_words(usual: Sequence[Row]) -> list[str]:
    """Which way the numbers go where nothing is extreme."""
    if not usual:
        return []
    words = []
    for name, title in (("alignment", "alignment"), ("uniformity", "uniformity")):
        better = [row["factors"]["method"] for row in usual if _change(row, name) < 0]
        worse = [row["factors"]["method"] for row in usual if _change(row, name) > 0]
        parts = [f"gets better with {', '.join(better)}"] if better else []
        parts += [f"gets worse with {', '.join(worse)}"] if worse else []
        if parts:
            words.append(f"With the usual numbers {title} {' and '.join(parts)}.")
    return words


def _change(row: Row, name: str) -> float:
    known = _known(row, name)
    return known[-1] - known[0] if known else 0.0


def _known(row: Row, name: str) -> list[float]:
    """The stretches of a curve that have a number."""
    return [value for value in row["facts"].get("curve", {}).get(name, ()) if value is not None]


def _extreme_words(rows: Sequence[Row], setting: str, start: float | None) -> str:
    """What a setting did to the methods that were put to it."""
    told = []
    for row in with_factors(_runs(rows), setting=setting):
        value = score(row)
        gain = None if value is None or start is None else value - start
        moved = "" if gain is None else f" ({gain:+.2f})"
        told.append(f"{row['factors']['method']}: {_fate(row, gain)}{moved}")
    return f"{setting[0].upper()}{setting[1:]}: {'; '.join(told)}." if told else ""


STUDY = Study(
    name="dynamics",
    question="What happens along the training, and what do extreme settings do to it?",
    plan=plan,
    answer=answer,
    figure=figure,
)
