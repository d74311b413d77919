"""mixing: does positive mixing really bring the positive closer to the query?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.mixing_effect import (
    FIXED,
    MODES,
    NOISY,
    PUBLISHED,
    RANDOM,
    SEARCH,
    SIMILARITY,
    START,
    THRESHOLDS,
    look,
)
from studies.mixing_words import (
    DEFAULT,
    SHOWN,
    WAYS,
    conclusion,
    line,
    look_words,
    of_way,
    published_words,
)
from studies.noise import in_words, noise_paired
from studies.plans import runs
from studies.rows import points, score, trained, with_factors
from studies.setup import Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The thresholds of further runs, large enough for the mixing to fire.
TRAINED = (1.0, 0.6)
#: At its largest threshold every way is trained with too.
TRAINED_WAYS = (FIXED, SEARCH, PUBLISHED)


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
    """How often the mixing fires, what it then does to the cosine of query and positive, and what runs gain by it."""
    header = (
        "encoder",
        "share by",
        "threshold",
        "near",
        "over",
        "far",
        "negative's share",
        "before",
        "after",
        "change",
        "closer",
    )
    table, words = [], []
    for row in _looks(rows):
        cells = row["facts"]["grid"]
        table += [(row["factors"]["look"], *line(cell)) for cell in cells if cell["gap_threshold"] in SHOWN]
        words += look_words(row["factors"]["look"], cells)
    words += [*conclusion(_looks(rows)), *published_words(_looks(rows))]
    return Answer(words=(*words, *_run_words(rows, studies)), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Left: how many rows are near; then, for each way of finding the share, what mixing does to their cosine."""
    drawn, ((left, *panels),) = figures.figure(1 + len(WAYS), width=14, height=3.8)
    for number, row in enumerate(_looks(rows)):
        cells = row["facts"]["grid"]
        style, name = figures.look(number), row["factors"]["look"]
        fires = of_way(cells, SIMILARITY)
        left.plot(
            [cell["gap_threshold"] for cell in fires],
            [100 * (cell["near"] + cell["over"]) for cell in fires],
            label=name,
            **style,
        )
        for axes, way in zip(panels, WAYS, strict=True):
            fired = [cell for cell in of_way(cells, way) if cell["mixed"]]
            middle = [cell["change"] for cell in fired]
            bars = [
                [cell["change"] - cell["low"] for cell in fired],
                [cell["high"] - cell["change"] for cell in fired],
            ]
            axes.errorbar([cell["gap_threshold"] for cell in fired], middle, yerr=bars, label=name, **style)
    left.axvline(DEFAULT, color="black", linestyle="--", linewidth=1)
    left.set_ylabel("rows that may be mixed, %")
    left.set_xlabel("gap threshold (dashed: the default)")
    for axes, way in zip(panels, WAYS, strict=True):
        axes.axhline(0, color="black", linewidth=1)
        axes.sharey(panels[0])
        axes.set_title(f"share by: {way}", fontsize=10)
        axes.set_xlabel("gap threshold")
    panels[0].set_ylabel("change of cos(query, positive)")
    if _looks(rows):
        left.legend()
    return drawn


def _looks(rows: Sequence[Row]) -> list[Row]:
    found = [with_factors(rows, look=name) for name in (START, NOISY, RANDOM)]
    return [row for each in found for row in each]


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
        parts = [share for share in row["facts"]["curve"].get("mixing_share", ()) if share is not None]
        share = f", the negative's mean share {sum(parts) / len(parts):.2f}" if parts else ""
        way = row["factors"].get("near_mode", SIMILARITY)
        beside = in_words((value or 0.0) - plain[0], noise.band(comparisons=len(mixed)))
        words.append(
            f"Trained by {way} with a threshold of {row['factors']['gap_threshold']:g} ({fired:.1f}% of the rows near"
            f"{share}), mean STS is {points(value)}; beside SimCSE: {beside}."
        )
    return words


STUDY = Study(
    name="mixing",
    question="Does positive mixing really bring the positive closer to the query?",
    plan=plan,
    answer=answer,
    figure=figure,
)
