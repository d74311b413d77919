"""sensitivity: how much do the numbers of the methods matter?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.noise import Noise, in_words, noise_paired
from studies.plans import runs
from studies.rows import (
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The grid of Focal-InfoNCE.
TEMPERATURES, MARGINS = (0.03, 0.05, 0.1), (0.1, 0.3, 0.5)
#: Numbers of HNCSE-HNM, each varied alone, beside one run with none varied.
MIXING: dict[str, tuple[Any, ...]] = {"k": (4, 32), "num_mixtures": (10, 160), "alpha": (0.2,)}
NOTHING = "nothing"
DEFAULTS = {"temperature": 0.05, "margin": 0.3, "k": 10, "num_mixtures": 40, "alpha": 0.5}
FOCAL, MIXED = "focal-infonce", "hncse-hnm"


def plan(setup: Setup) -> list[Planned]:
    """Numbers at their defaults are not written into the options: such a run is the ablation's."""
    wanted = []
    for temperature in TEMPERATURES:
        for margin in MARGINS:
            numbers = {"temperature": temperature, "margin": margin}
            wanted.append(({"part": FOCAL, **numbers}, {"method": FOCAL, **_unusual(numbers)}))
    wanted.append(({"part": MIXED, "varied": NOTHING}, {"method": MIXED}))
    for name, values in MIXING.items():
        for value in values:
            factors = {"part": MIXED, "varied": name, "value": value}
            wanted.append((factors, {"method": MIXED, name: value}))
    return runs(setup, wanted)


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """The best and the worst of each group beside the defaults, held against the luck of the seed."""
    noise, start = noise_paired(studies), start_score(rows)
    header = ("method", "numbers", *JUDGED, "mean", "gain over the start")
    table = []
    for row in _all_runs(rows):
        value = score(row)
        tasks = [points(task_value(row, task)) for task in JUDGED]
        gain = None if value is None or start is None else value - start
        table.append((row["factors"]["part"], _told(row), *tasks, points(value), points(gain, signed=True)))
    words = [f"One seed each. {noise.words}"]
    words += [line for group in _groups(rows) if (line := _spread(*group, noise))]
    planned = len(TEMPERATURES) * len(MARGINS) + 1 + sum(len(values) for values in MIXING.values())
    if len(table) < planned:
        words.append(f"{len(table)} of {planned} settings were run.")
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """A heat map for Focal-InfoNCE, and one line for each number of the mixing."""
    drawn, ((left, right),) = figures.figure(2, width=10, height=3.8)
    _heat_map(left, with_factors(_all_runs(rows), part=FOCAL), drawn)
    noise, mixed = noise_paired(studies), with_factors(_all_runs(rows), part=MIXED)
    ticks = {"default": 0}
    for number, name in enumerate(MIXING):
        values = {row["factors"].get("value"): score(row) for row in with_factors(mixed, varied=name)}
        for value in MIXING[name]:
            ticks[f"{name.removeprefix('num_')}\n{value:g}"] = at = len(ticks)
            if values.get(value) is not None:
                right.plot([at], [values[value]], linestyle="", **{**figures.look(number), "markersize": 7})
    usual = [value for row in with_factors(mixed, varied=NOTHING) if (value := score(row)) is not None]
    if usual:
        right.plot([0], usual[:1], linestyle="", **{**figures.look(6), "markersize": 7})
        figures.noise_band(right, usual[0], noise.band())
    right.set_xticks(list(ticks.values()), list(ticks), fontsize=8)
    right.set_ylabel("mean STS, dev")
    right.set_title("HNCSE-HNM, one number at a time (grey: luck)", fontsize=10)
    return drawn


def _heat_map(axes: Axes, found: Sequence[Row], drawn: Figure) -> None:
    import numpy as np

    grid = np.full((len(MARGINS), len(TEMPERATURES)), np.nan)
    for row in found:
        at = MARGINS.index(row["factors"]["margin"]), TEMPERATURES.index(row["factors"]["temperature"])
        value = score(row)
        grid[at] = np.nan if value is None else value
    axes.grid(False)
    if np.isnan(grid).all():
        figures.nothing_yet(axes)
        return
    shown = axes.imshow(grid, cmap=figures.HEAT, aspect="auto", origin="lower")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for (y, x), value in np.ndenumerate(grid):
        colour = "black" if np.isnan(value) or value > middle else "white"
        axes.text(
            x, y, "not run" if np.isnan(value) else f"{value:.2f}", ha="center", va="center", color=colour
        )
    axes.set_xticks(range(len(TEMPERATURES)), [str(value) for value in TEMPERATURES])
    axes.set_yticks(range(len(MARGINS)), [str(value) for value in MARGINS])
    axes.set_xlabel("temperature")
    axes.set_ylabel("margin")
    axes.set_title("Focal-InfoNCE: mean STS, dev", fontsize=10)
    drawn.colorbar(shown, ax=axes)


def _all_runs(rows: Sequence[Row]) -> list[Row]:
    """In the order of the plan, whatever order they were measured in."""
    found = [row for row in trained(rows) if "part" in row["factors"]]
    return sorted(found, key=lambda row: (row["factors"]["part"], _told(row)))


def _told(row: Row) -> str:
    factors = row["factors"]
    if factors["part"] == FOCAL:
        return f"temperature {factors['temperature']:g}, margin {factors['margin']:g}"
    if factors["varied"] == NOTHING:
        return "defaults: " + ", ".join(f"{name} {DEFAULTS[name]:g}" for name in MIXING)
    return f"{factors['varied']} {factors['value']:g}"


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """What is varied, and its runs; the first three hold one margin or one temperature at its default."""
    focal, mixed = (with_factors(_all_runs(rows), part=part) for part in (FOCAL, MIXED))
    groups = [
        ("the temperature of Focal-InfoNCE (margin 0.3)", with_factors(focal, margin=DEFAULTS["margin"])),
        (
            "the margin of Focal-InfoNCE (temperature 0.05)",
            with_factors(focal, temperature=DEFAULTS["temperature"]),
        ),
        ("both, over the whole grid", focal),
    ]
    usual = with_factors(mixed, varied=NOTHING)
    return groups + [(f"{name} of HNCSE-HNM", usual + with_factors(mixed, varied=name)) for name in MIXING]


def _spread(what: str, found: Sequence[Row], noise: Noise) -> str:
    """From the worst to the best setting of a group; choosing the two of n is n(n - 1)/2 comparisons."""
    scored = [(value, _told(row)) for row in found if (value := score(row)) is not None]
    if len(scored) < 2:
        return ""
    (low, worst), (high, best) = min(scored), max(scored)
    band = noise.band(comparisons=len(scored) * (len(scored) - 1) // 2)
    return f"Over {what}, the best ({best}) beside the worst ({worst}): {in_words(high - low, band)}."


def _unusual(numbers: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in numbers.items() if value != DEFAULTS[name]}


STUDY = Study(
    name="sensitivity",
    question="How much do the numbers matter: temperature and margin; k, number of mixtures and their coefficient?",
    plan=plan,
    answer=answer,
    figure=figure,
)
