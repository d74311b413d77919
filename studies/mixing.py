"""mixing: does positive mixing really bring the positive closer to the query?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.experiment.trials import Trial, TrialResult
from studies.reading import curve_mean, in_words, noise_paired, points, scored, trained, with_factors
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow
from studies.untrained import batches_of_views, effect, forget

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Thresholds of the gap up to which a positive is mixed; the method's own, those of the table, those of further runs.
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
DEFAULT, SHOWN, TRAINED = 0.1, (0.1, 0.6, 1.0), (1.0, 0.6)
LARGEST = max(THRESHOLDS)
#: How the share of the negative is found in near rows: what it is called -> the hyperparameters of the part. ``SEARCH``
#: is the paper's own aim; the last is what its code minimises instead.
SIMILARITY, FIXED, SEARCH, PUBLISHED = "similarity", "fixed", "search", "search, as published"
MODES: Mapping[str, Mapping[str, Any]] = {
    SIMILARITY: {"near_mode": "similarity"},
    FIXED: {"near_mode": "fixed"},
    SEARCH: {"near_mode": "search", "search_objective": "max-margin"},
    "search, share to 0.5": {"near_mode": "search", "search_objective": "max-margin", "max_share": 0.5},
    PUBLISHED: {"near_mode": "search", "search_objective": "paper"},
    "as published, share to 0.5": {"near_mode": "search", "search_objective": "paper", "max_share": 0.5},
}
#: The three that the answer is worded by.
WAYS = (SIMILARITY, FIXED, SEARCH)
#: Encoder, as the rows name it -> as it is called.
ENCODERS = {
    "the start": "the pretrained model",
    "the start, dropout 0.3": "the pretrained model, dropout 0.3",
    "random weights": "random weights",
}
#: What mixing did to the rows of all batches: a threshold and a mode, and what :func:`effect` measures.
Effect = Mapping[str, Any]


def plan(setup: Setup) -> list[Planned]:
    """Three encoders whose views are mixed without training, and runs with and without mixing."""
    nothing, untrained = setup.setting(tasks=()), []
    for name in ENCODERS:
        options = {"method": "look at positive mixing", "encoder": name, "max_length": setup.max_length}
        options |= {"batch_size": setup.batch_size, "modes": MODES, "thresholds": THRESHOLDS}
        trial = nothing.trial({"look": name}, options)
        untrained.append(Planned(trial=trial, measure=partial(_measure_effects, setup, name)))
    runs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"gap_threshold": None}, {"method": "simcse"}),
        ({"gap_threshold": DEFAULT}, {"method": "hncse-pm"}),
        *(({"gap_threshold": each}, {"method": "hncse-pm", "gap_threshold": each}) for each in TRAINED),
    ]
    for threshold in (max(TRAINED), DEFAULT):
        for way in (FIXED, SEARCH, PUBLISHED):
            factors = {"gap_threshold": threshold, "near_mode": way}
            runs.append((factors, {"method": "hncse-pm", "gap_threshold": threshold, **MODES[way]}))
    return untrained + setup.runs(runs)


def _measure_effects(
    setup: Setup, name: str, trial: Trial, folder: Path, listener: object = None
) -> TrialResult:
    """Every threshold and mode, on one encoder."""
    from contrapose.encoder.encoder import Encoder

    encoder: Encoder = Encoder.load(setup.model, dropout=0.3 if name == list(ENCODERS)[1] else None)
    if name == list(ENCODERS)[2]:
        forget(encoder)
    batches = batches_of_views(encoder, setup)
    grid = [
        {"gap_threshold": threshold, "near_mode": mode, **effect(batches, gap_threshold=threshold, **values)}
        for mode, values in MODES.items()
        for threshold in THRESHOLDS
    ]
    return TrialResult(facts={"grid": grid, "sentences": sum(views.num_rows for views in batches)})


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
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
    )
    by_encoder = _by_encoder(rows)
    table = [
        (name, *_cells(each))
        for name, grid in by_encoder.items()
        for each in grid
        if each["gap_threshold"] in SHOWN
    ]
    words = [line for name, grid in by_encoder.items() for line in _of_encoder(name, grid)]
    words += [*_conclusion(by_encoder), *_published(by_encoder), *_of_runs(rows, studies)]
    return Findings(words=tuple(words), header=(*header, "change", "closer"), table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """How many rows are near; then, for each way of finding the share, what mixing does to their cosine."""
    by_encoder = _by_encoder(rows)
    fires = [
        Marks(
            name,
            [(e["gap_threshold"], 100 * (e["near"] + e["over"])) for e in _of_way(grid, SIMILARITY)],
            True,
        )
        for name, grid in by_encoder.items()
    ]
    panels = [Panel(x="gap threshold (the default: 0.1)", y="rows that may be mixed, %", marks=fires)]
    for way in WAYS:
        marks = [
            Marks(
                name,
                [
                    (e["gap_threshold"], e["change"], e["low"], e["high"])
                    for e in _of_way(grid, way)
                    if e["mixed"]
                ],
                joined=True,
            )
            for name, grid in by_encoder.items()
        ]
        y = "change of cos(query, positive)"
        panels.append(Panel(x="gap threshold", y=y, marks=marks, title=f"share by: {way}", line=0.0))
    return panels


def _by_encoder(rows: Sequence[TrialRow]) -> dict[str, list[Effect]]:
    return {
        ENCODERS[name]: row["facts"]["grid"] for name in ENCODERS for row in with_factors(rows, look=name)
    }


def _of_way(grid: Sequence[Effect], way: str, threshold: float | None = None) -> list[Effect]:
    return [
        each
        for each in grid
        if each["near_mode"] == way and (threshold is None or each["gap_threshold"] == threshold)
    ]


def _cells(each: Effect) -> tuple[str, ...]:
    shares = [_percent(each[kind]) for kind in ("near", "over", "far")]
    first = (each["near_mode"], f"{each['gap_threshold']:g}", *shares)
    if not each["mixed"]:
        return (*first, "–", "–", "–", "–", "–")
    change = f"{each['change']:+.3f} [{each['low']:+.3f}, {each['high']:+.3f}]"
    cosines = (f"{each['before']:.3f}", f"{each['after']:.3f}", change, f"{100 * each['closer']:.0f}%")
    return (*first, f"{each['share']:.2f}", *cosines)


def _of_encoder(name: str, grid: Sequence[Effect]) -> list[str]:
    """The default threshold, and the largest, by each way of finding the share."""
    words = []
    for threshold in (DEFAULT, LARGEST):
        by_way = {way: each for way in WAYS for each in _of_way(grid, way, threshold)}
        if by_way:
            near = max(each["near"] + each["over"] for each in by_way.values())
            rows = _percent(near) if near else "none"
            said = "; ".join(f"by {way} {_direction(each)}" for way, each in by_way.items() if near)
            then = f": the positive is {said}." if said else "."
            words.append(f"With {name} and a threshold of {threshold:g}, {rows} of the rows are near{then}")
    return words


def _conclusion(by_encoder: Mapping[str, Sequence[Effect]]) -> list[str]:
    """Over all encoders, at the largest threshold: how often each way brings the positive closer."""
    counts = []
    for way in WAYS:
        effects = [each for grid in by_encoder.values() for each in _of_way(grid, way, LARGEST)]
        closer = sum(bool(each["mixed"]) and each["low"] > 0 for each in effects)
        left = sum(not each["mixed"] for each in effects)
        if effects:
            alone = f" (left alone with {left})" if left else ""
            counts.append(f"by {way} with {closer} of {len(effects)} encoders{alone}")
    if not counts:
        return []
    return [
        f"So, at a threshold of {LARGEST:g}, mixing brings the positive closer to the query: {', '.join(counts)}. The "
        "paper's own aim, the largest margin, is the search."
    ]


def _published(by_encoder: Mapping[str, Sequence[Effect]]) -> list[str]:
    """What the published objective does, which the code minimises: the near positive is given up."""
    words = [
        f"with {name} the negative's mean share is {each['share']:.2f} and the cosine goes from {each['before']:.3f} "
        f"to {each['after']:.3f}"
        for name, grid in by_encoder.items()
        for each in _of_way(grid, PUBLISHED, SHOWN[1])
        if each["mixed"]
    ]
    if not words:
        return []
    return [
        f"The objective of the published code, at a threshold of {SHOWN[1]:g}: {'; '.join(words)}. "
        "max_share=0.5 keeps the positive the larger part."
    ]


def _of_runs(rows: Sequence[TrialRow], studies: AllRows) -> list[str]:
    """What the runs gain or lose by mixing."""
    runs = trained(rows)
    plain = [value for value, _ in scored(with_factors(runs, gap_threshold=None))]
    mixed = scored(row for row in runs if row["factors"].get("gap_threshold") is not None)
    if not plain:
        return []
    words, band = [], noise_paired(studies).band(comparisons=len(mixed))
    for value, row in sorted(mixed, key=lambda pair: pair[1]["factors"]["gap_threshold"]):
        near, over, share = (curve_mean(row, name) for name in ("share_near", "share_over", "mixing_share"))
        fired = (near or 0.0) + (over or 0.0)
        # The log's mean is over all rows; the table's, and this one, over those that may be mixed.
        taken = (
            f", the negative's mean share in them {share / fired:.2f}" if share is not None and fired else ""
        )
        words.append(
            f"Trained by {row['factors'].get('near_mode', SIMILARITY)} with a threshold of "
            f"{row['factors']['gap_threshold']:g} ({100 * fired:.1f}% of the rows near{taken}), mean STS is "
            f"{points(value)}; beside SimCSE: {in_words(value - plain[0], band)}."
        )
    return words


def _percent(share: float) -> str:
    """Few is not none, and nearly all not all.

    >>> _percent(0.0), _percent(0.002), _percent(0.5), _percent(0.998)
    ('0%', '0.2%', '50%', '99.8%')
    """
    percent = 100 * share
    return f"{percent:.1f}%" if 0 < percent < 1 or 99 < percent < 100 else f"{percent:.0f}%"


def _direction(each: Effect) -> str:
    """Closer, further away, or neither, by the interval of the change; or as it was, where the share found is 0."""
    if not each["mixed"]:
        return "left as it is"
    span = (
        f"(cosine {each['before']:.3f} to {each['after']:.3f}, closer in {100 * each['closer']:.0f}% of them)"
    )
    if each["low"] > 0:
        return f"closer to the query {span}"
    if each["high"] < 0:
        return f"further from the query {span}"
    return f"no clearly different distance from the query {span}"


STUDY = Study(
    name="mixing",
    question="Does positive mixing really bring the positive closer to the query?",
    plan=plan,
    answer=answer,
    figure=figure,
)
