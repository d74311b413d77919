"""mixing: does positive mixing really bring the positive closer to the query?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from contrapose.experiment import study_figures as figures
from contrapose.experiment.study import AllRows, Answer, Row, Study
from contrapose.experiment.study_mixing_look import (
    FIXED,
    MODES,
    NOISY,
    RANDOM,
    SEARCH,
    SIMILARITY,
    START,
    THRESHOLDS,
    look,
)
from contrapose.experiment.study_noise import in_words, noise_paired
from contrapose.experiment.study_plans import runs
from contrapose.experiment.study_rows import points, score, trained, with_factors
from contrapose.experiment.study_setup import Planned, Setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The method's own threshold, and those of further runs, large enough for the mixing to fire.
DEFAULT, TRAINED = 0.1, (1.0, 0.6)
#: The thresholds of the table.
SHOWN = (0.1, 0.3, 0.6, 1.0)
#: The three ways that the answer is worded by.
WAYS = (SIMILARITY, FIXED, SEARCH)
#: At its largest threshold every way is trained with too.
TRAINED_WAYS = (FIXED, SEARCH, "search, as published")


def plan(setup: Setup) -> list[Planned]:
    """Three encoders that are looked at, and runs with and without mixing."""
    nothing = setup.setting(tasks=())
    looks = []
    for name in (START, NOISY, RANDOM):
        options = {"method": "look at positive mixing", "encoder": name, "max_length": setup.max_length}
        options |= {"batch_size": setup.batch_size, "modes": MODES, "thresholds": THRESHOLDS}
        looks.append(
            Planned(trial=nothing.trial({"look": name}, options), measure=partial(look, setup, name))
        )
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"gap_threshold": None}, {"method": "simcse"}),
        ({"gap_threshold": DEFAULT}, {"method": "hncse-pm"}),
    ]
    wanted += [
        ({"gap_threshold": threshold}, {"method": "hncse-pm", "gap_threshold": threshold})
        for threshold in TRAINED
    ]
    wanted += [
        (
            {"gap_threshold": max(TRAINED), "near_mode": way},
            {"method": "hncse-pm", "gap_threshold": max(TRAINED), **MODES[way]},
        )
        for way in TRAINED_WAYS
    ]
    return looks + runs(setup, wanted)


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """How often the mixing fires, and what it then does to the cosine of query and positive."""
    header = (
        "encoder",
        "share by",
        "threshold",
        "near",
        "over",
        "far",
        "before",
        "after",
        "change",
        "closer",
    )
    table, words = [], []
    for row in _looks(rows):
        cells = row["facts"]["grid"]
        table += [(row["factors"]["look"], *_line(cell)) for cell in cells if cell["gap_threshold"] in SHOWN]
        words += _look_words(row["factors"]["look"], cells)
    return Answer(words=(*words, *_run_words(rows, studies)), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Left: how many rows are mixed; right: what that does to their cosine; by threshold."""
    drawn, ((left, right),) = figures.figure(2, width=10, height=3.8)
    for number, row in enumerate(_looks(rows)):
        cells = [cell for cell in row["facts"]["grid"] if cell["near_mode"] == "similarity"]
        style, name = figures.look(number), row["factors"]["look"]
        left.plot(
            [cell["gap_threshold"] for cell in cells],
            [100 * (cell["near"] + cell["over"]) for cell in cells],
            label=name,
            **style,
        )
        fired = [cell for cell in cells if cell["mixed"]]
        middle = [cell["change"] for cell in fired]
        bars = [
            [cell["change"] - cell["low"] for cell in fired],
            [cell["high"] - cell["change"] for cell in fired],
        ]
        right.errorbar([cell["gap_threshold"] for cell in fired], middle, yerr=bars, label=name, **style)
    right.axhline(0, color="black", linewidth=1)
    left.axvline(DEFAULT, color="black", linestyle="--", linewidth=1)
    left.set_ylabel("rows that are mixed, %")
    right.set_ylabel("change of cos(query, positive)")
    for axes in (left, right):
        axes.set_xlabel("gap threshold (dashed: the default)" if axes is left else "gap threshold")
    if _looks(rows):
        left.legend()
    return drawn


def _looks(rows: Sequence[Row]) -> list[Row]:
    found = [with_factors(rows, look=name) for name in (START, NOISY, RANDOM)]
    return [row for each in found for row in each]


def _line(cell: dict[str, Any]) -> tuple[str, ...]:
    shares = [_percent(cell[kind]) for kind in ("near", "over", "far")]
    start = (cell["near_mode"], f"{cell['gap_threshold']:g}", *shares)
    if not cell["mixed"]:
        return (*start, "–", "–", "–", "–")
    change = f"{cell['change']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}]"
    return (*start, f"{cell['before']:.3f}", f"{cell['after']:.3f}", change, f"{100 * cell['closer']:.0f}%")


def _look_words(name: str, cells: Sequence[dict[str, Any]]) -> list[str]:
    """The default threshold, and the largest."""
    by_threshold = {cell["gap_threshold"]: cell for cell in cells if cell["near_mode"] == "similarity"}
    default, largest = by_threshold[DEFAULT], by_threshold[max(THRESHOLDS)]
    words = f"With {name}, the default threshold of {DEFAULT:g} mixes {_share(default)} of the rows"
    if default["mixed"]:
        words += f", and the mixed positive is {_direction(default)}"
    words += "."
    if largest["mixed"]:
        words += (
            f" With a threshold of {max(THRESHOLDS):g}, {_share(largest)} are mixed, and the mixed positive is "
            f"{_direction(largest)}."
        )
    return [words]


def _share(cell: dict[str, Any]) -> str:
    share = cell["near"] + cell["over"]
    return _percent(share) if share else "none"


def _percent(share: float) -> str:
    """Few is not none, and nearly all not all.

    >>> _percent(0.0), _percent(0.002), _percent(0.5), _percent(0.998)
    ('0%', '0.2%', '50%', '99.8%')
    """
    percent = 100 * share
    return f"{percent:.1f}%" if 0 < percent < 1 or 99 < percent < 100 else f"{percent:.0f}%"


def _direction(cell: dict[str, Any]) -> str:
    """Closer, further away, or neither, by the interval of the change."""
    span = (
        f"(cosine {cell['before']:.3f} to {cell['after']:.3f}, closer in {100 * cell['closer']:.0f}% of them)"
    )
    if cell["low"] > 0:
        return f"closer to the query {span}"
    if cell["high"] < 0:
        return f"further from the query {span}"
    return f"no clearly different distance from the query {span}"


def _run_words(rows: Sequence[Row], studies: AllRows) -> list[str]:
    """What the runs gain or lose by mixing."""
    noise, found = noise_paired(studies), trained(rows)
    plain = [value for row in with_factors(found, gap_threshold=None) if (value := score(row)) is not None]
    mixed = [row for row in found if row["factors"].get("gap_threshold") is not None]
    if not plain or not mixed:
        return []
    words = []
    for row in sorted(mixed, key=lambda row: row["factors"]["gap_threshold"]):
        value = score(row)
        near = [share for share in row["facts"]["curve"].get("share_near", ()) if share is not None]
        over = [share for share in row["facts"]["curve"].get("share_over", ()) if share is not None]
        fired = 100 * (sum(near) + sum(over)) / len(near) if near else 0.0
        beside = in_words((value or 0.0) - plain[0], noise.band(comparisons=len(mixed)))
        words.append(
            f"Trained with a threshold of {row['factors']['gap_threshold']:g} ({fired:.1f}% of the rows mixed), "
            f"mean STS is {points(value)}; beside SimCSE: {beside}."
        )
    return words


STUDY = Study(
    name="mixing",
    question="Does positive mixing really bring the positive closer to the query?",
    plan=plan,
    answer=answer,
    figure=figure,
)
