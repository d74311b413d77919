"""sensitivity: how much do the hyperparameters of the methods matter?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studies.reading import (
    SCORES,
    SeedNoise,
    best_beside_worst,
    noise_paired,
    pretrained_score,
    score,
    score_cells,
    scored,
    trained,
    with_factors,
)
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

#: The grid of Focal-InfoNCE.
TEMPERATURES, MARGINS = (0.03, 0.05, 0.1), (0.1, 0.3, 0.5)
#: Hyperparameters of HNCSE-HNM, each varied alone, beside one run with none varied.
MIXING: dict[str, tuple[Any, ...]] = {
    "k": (4, 32),
    "num_mixtures": (10, 160),
    "alpha": (0.2, 0.35, 0.65, 0.8),
    "temperature": (0.03, 0.1),
    "pool": ("queue",),
}
#: What a value cannot do without: the negatives of the batch before, as the paper's text has it.
BESIDE: Mapping[Any, Mapping[str, Any]] = {"queue": {"pool_queue_size": 64}}
NOTHING = "nothing"
DEFAULTS: dict[str, Any] = {
    "temperature": 0.05, "margin": 0.3, "k": 10, "num_mixtures": 40, "alpha": 0.5, "pool": "batch",
}  # fmt: skip
FOCAL, MIXED = "focal-infonce", "hncse-hnm"
NUM_SETTINGS = len(TEMPERATURES) * len(MARGINS) + 1 + sum(map(len, MIXING.values()))


def plan(setup: Setup) -> list[Planned]:
    """Hyperparameters at their defaults are not written into the options: such a run is the ablation's."""
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for temperature in TEMPERATURES:
        for margin in MARGINS:
            values = {"temperature": temperature, "margin": margin}
            changed = {name: value for name, value in values.items() if value != DEFAULTS[name]}
            wanted.append(({"part": FOCAL, **values}, {"method": FOCAL, **changed}))
    wanted.append(({"part": MIXED, "varied": NOTHING}, {"method": MIXED}))
    for name, varied in MIXING.items():
        for value in varied:
            factors = {"part": MIXED, "varied": name, "value": value}
            wanted.append((factors, {"method": MIXED, name: value, **BESIDE.get(value, {})}))
    return setup.runs(wanted)


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """The best and the worst of each group beside the defaults, held against the noise of the seed."""
    noise, pretrained, runs = noise_paired(studies), pretrained_score(rows), _runs(rows)
    table = [(row["factors"]["part"], _values(row), *score_cells([row], pretrained)) for row in runs]
    words = [f"One seed each. {noise.words}", *_spreads(runs, noise)]
    if len(table) < NUM_SETTINGS:
        words.append(f"{len(table)} of {NUM_SETTINGS} settings were run.")
    return Findings(words=tuple(words), header=("method", "hyperparameters", *SCORES), table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """A line for each margin of Focal-InfoNCE, and a mark for each value of the mixing."""
    focal, mixed = (with_factors(_runs(rows), part=part) for part in (FOCAL, MIXED))
    lines = [
        Marks(f"margin {margin}", _line(with_factors(focal, margin=margin), TEMPERATURES), joined=True)
        for margin in MARGINS
    ]
    defaults = [value for value, _ in scored(with_factors(mixed, varied=NOTHING))]
    names: list[str] = ["defaults"]
    points: list[tuple[float | None, ...]] = [(value, 0) for value in defaults]
    for name, values in MIXING.items():
        by_value = {row["factors"]["value"]: score(row) for row in with_factors(mixed, varied=name)}
        points += [(by_value.get(value), len(names) + at) for at, value in enumerate(values)]
        names += [f"{name} {value}" for value in values]
    return [
        Panel(x="temperature", y="mean STS, dev", marks=lines, title="Focal-InfoNCE"),
        Panel(
            x="mean STS, dev, one hyperparameter changed (grey: chance)",
            y="",
            marks=[Marks("HNCSE-HNM", points)],
            title="HNCSE-HNM",
            y_names=names,
            band=(defaults[0], noise_paired(studies).band()) if defaults else None,
        ),
    ]


def _line(runs: Sequence[TrialRow], temperatures: Sequence[float]) -> list[tuple[float | None, ...]]:
    by_temperature = {row["factors"]["temperature"]: score(row) for row in runs}
    return [(temperature, by_temperature.get(temperature)) for temperature in temperatures]


def _runs(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """In the order of the plan, whatever order they were measured in."""
    runs = [row for row in trained(rows) if "part" in row["factors"]]
    return sorted(runs, key=lambda row: (row["factors"]["part"], _values(row)))


def _values(row: TrialRow) -> str:
    factors = row["factors"]
    if factors["part"] == FOCAL:
        return f"temperature {factors['temperature']:g}, margin {factors['margin']:g}"
    if factors["varied"] == NOTHING:
        return "defaults: " + ", ".join(f"{name} {DEFAULTS[name]}" for name in MIXING)
    return f"{factors['varied']} {factors['value']}"


def _spreads(runs: Sequence[TrialRow], noise: SeedNoise) -> list[str]:
    """From the worst to the best setting of each group; the first two hold the other one at its default."""
    focal, mixed = (with_factors(runs, part=part) for part in (FOCAL, MIXED))
    defaults = with_factors(mixed, varied=NOTHING)
    groups = {
        "the temperature of Focal-InfoNCE (margin 0.3)": with_factors(focal, margin=DEFAULTS["margin"]),
        "the margin of Focal-InfoNCE (temperature 0.05)": with_factors(
            focal, temperature=DEFAULTS["temperature"]
        ),
        "both, over the whole grid": focal,
        **{f"{name} of HNCSE-HNM": defaults + with_factors(mixed, varied=name) for name in MIXING},
    }
    lines = []
    for group, members in groups.items():
        if said := best_beside_worst([(value, _values(row)) for value, row in scored(members)], noise):
            lines.append(f"Over {group}, {said}.")
    return lines


STUDY = Study(
    name="sensitivity",
    question="How much do the hyperparameters matter: temperature and margin; k, number of mixtures and their "
    "coefficient?",
    plan=plan,
    answer=answer,
    figure=figure,
)
