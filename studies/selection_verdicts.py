"""Reads the study ``selection``: which label-free criterion ranks encoders, and how often the verdict is right.

One case is one trained encoder (or its half-way blend) on one domain, with what its labelled task says: better, worse,
or not clearly either (the interval of the paired difference holds zero). A verdict counts as right when it says just
that. Constants are judged on domains that they were not fitted on: each domain in turn is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contrapose.evaluate.statistics import spearman
from contrapose.selection.label_free import DIFFUSE, HARMS, HELPS, MARGIN, UNCLEAR

#: |change| / standard error from which a change is clear.
CLEAR = 1.96
#: What is searched when the rule is fitted.
DIFFUSE_GRID = tuple(np.round(np.arange(0.2, 0.34, 0.01), 2))
MARGIN_GRID = (0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.015, 0.02)


@dataclass(frozen=True, kw_only=True)
class Case:
    """probes: kind -> name -> (change, standard error); points, truth: what the labels say."""

    domain: str
    recipe: str
    share: str
    points: float
    truth: str
    topics: float
    kept: float
    probes: Mapping[str, Mapping[str, tuple[float, float]]]

    @property
    def partners(self) -> Mapping[str, tuple[float, float]]:
        return self.probes.get("titles") or self.probes["halves"]


def cases_of(rows: Sequence[Mapping[str, Any]]) -> list[Case]:
    """Every share of every row."""
    return [
        _case(row["factors"], share, changes)
        for row in rows
        for share, changes in row["facts"]["shares"].items()
    ]


def _case(factors: Mapping[str, Any], share: str, changes: Mapping[str, Any]) -> Case:
    truth = changes["truth"]
    clear = not truth["low"] <= 0 <= truth["high"]
    return Case(
        domain=factors["domain"],
        recipe=factors["recipe"],
        share=share,
        points=truth["difference"],
        truth=UNCLEAR if not clear else HELPS if truth["difference"] > 0 else HARMS,
        topics=changes["space_before"]["topics"],
        kept=changes["space"]["neighbours_kept"],
        probes={
            kind: {name: (each["change"], each["error"]) for name, each in scores.items() if name != "rows"}
            for kind, scores in changes["probes"].items()
        },
    )


def gain_of(case: Case, diffuse: float = DIFFUSE) -> float:
    """The score of label_free.gain for the case."""
    margin = case.partners["margin"][0]
    if "titles" in case.probes or case.topics > diffuse:
        return margin
    return case.partners["closeness"][0] + case.partners["spread"][0]


def verdict_of(case: Case, diffuse: float = DIFFUSE, margin: float = MARGIN) -> str:
    """The rule of label_free.judge, from the changes and their errors."""
    fall, error = case.probes["halves"]["margin"]
    in_topics = case.topics > diffuse
    if in_topics and fall < -margin and fall < -CLEAR * error:
        return HARMS
    if "titles" in case.probes:
        change, error = case.probes["titles"]["reciprocal_rank"]
        if change < -CLEAR * error:
            return HARMS
        if change > CLEAR * error and not in_topics:
            return HELPS
    return UNCLEAR


def fitted(cases: Sequence[Case]) -> tuple[float, float]:
    """(DIFFUSE, MARGIN) with the most right verdicts; the middle of all that share the first place."""
    right_of = {
        (diffuse, margin): sum(verdict_of(case, diffuse, margin) == case.truth for case in cases)
        for diffuse in DIFFUSE_GRID
        for margin in MARGIN_GRID
    }
    best = [key for key, right in right_of.items() if right == max(right_of.values())]
    return float(np.median([key[0] for key in best])), float(np.median([key[1] for key in best]))


def left_out(cases: Sequence[Case]) -> list[tuple[Case, str]]:
    """Each case with the verdict of a rule that was fitted on the other domains."""
    return [(case, verdict_of(case, *rule)) for rule, here in _rules(cases) for case in here]


def delivered(cases: Sequence[Case]) -> list[tuple[Case | None, str]]:
    """What each run ends with where it blends by itself: the encoder (None: the pretrained model) and its verdict.

    Chosen and judged with constants that were fitted on the other domains. The pretrained model is "no clear change".
    """
    return [
        (kept, verdict_of(kept, *rule) if kept is not None else UNCLEAR) for _, kept, rule in _ends(cases)
    ]


def _ends(cases: Sequence[Case]) -> list[tuple[dict[str, Case], Case | None, tuple[float, float]]]:
    """Each run by its shares, what of it is handed out, and the constants of the other domains that chose it."""
    return [
        (shares, chosen(shares, rule[0]), rule) for rule, here in _rules(cases) for shares in runs_of(here)
    ]


def _rules(cases: Sequence[Case]) -> list[tuple[tuple[float, float], list[Case]]]:
    """Of each domain, the constants that the others give, and its cases."""
    return [
        (fitted([case for case in cases if case.domain != domain]), [c for c in cases if c.domain == domain])
        for domain in dict.fromkeys(case.domain for case in cases)
    ]


def runs_of(cases: Sequence[Case]) -> list[dict[str, Case]]:
    """Of each run its cases by their share."""
    runs: dict[tuple[str, str], dict[str, Case]] = {}
    for case in cases:
        runs.setdefault((case.domain, case.recipe), {})[case.share] = case
    return list(runs.values())


def chosen(shares: Mapping[str, Case], diffuse: float = DIFFUSE) -> Case | None:
    """The case with the best expected gain, of equals the larger share; None where none beats the pretrained one."""
    best = max(shares.values(), key=lambda case: (gain_of(case, diffuse), case.share))
    return best if gain_of(best, diffuse) > 0 else None


def reliability(judged: Sequence[tuple[Case, str]]) -> dict[str, tuple[int, int]]:
    """Verdict -> (right, said)."""
    said = Counter(word for _, word in judged)
    right = Counter(word for case, word in judged if word == case.truth)
    return {word: (right[word], said[word]) for word in (HELPS, UNCLEAR, HARMS)}


#: Criterion -> its value for a case; higher should be better. None where the domain has no such probe.
CRITERIA: Mapping[str, Callable[[Case], float | None]] = {
    "the chosen one": gain_of,
    "margin of titles, else of halves": lambda case: case.partners["margin"][0],
    "halves: margin": lambda case: case.probes["halves"]["margin"][0],
    "halves: retrieval of the other half": lambda case: case.probes["halves"]["reciprocal_rank"][0],
    "halves: log-likelihood, t = 0.05": lambda case: case.probes["halves"]["log_likelihood@0.05"][0],
    "halves: -(alignment + uniformity)": lambda case: (
        case.probes["halves"]["closeness"][0] + case.probes["halves"]["spread"][0]
    ),
    "document by one of its sentences: retrieval": lambda case: _of(case, "sentences", "reciprocal_rank"),
    "document by one of its sentences: margin": lambda case: _of(case, "sentences", "margin"),
    "text by its title: retrieval": lambda case: _of(case, "titles", "reciprocal_rank"),
    "text by its title: margin": lambda case: _of(case, "titles", "margin"),
    "neighbours kept": lambda case: case.kept,
}


def _of(case: Case, kind: str, name: str) -> float | None:
    return case.probes[kind][name][0] if kind in case.probes else None


def rank_correlations(cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Criterion -> domain -> Spearman between it and the labelled change, over the domain's cases."""
    correlations: dict[str, dict[str, float]] = {}
    for name, criterion in CRITERIA.items():
        correlations[name] = {}
        for domain in dict.fromkeys(case.domain for case in cases):
            here = [case for case in cases if case.domain == domain]
            values = [criterion(case) for case in here]
            if None not in values:
                points = np.array([case.points for case in here])
                correlations[name][domain] = spearman(np.array(values, float), points)
    return correlations


def policies(cases: Sequence[Case]) -> dict[str, list[float]]:
    """What each way of choosing gives, run by run, in points of the labelled task; auto as :func:`delivered`."""
    gains: dict[str, list[float]] = {
        "the trained encoder": [],
        "half of it": [],
        "auto": [],
        "the best of pretrained, half and all": [],
    }
    for shares, auto, _ in _ends(cases):
        half, whole = shares["0.5"], shares["1"]
        points = (
            whole.points,
            half.points,
            auto.points if auto else 0.0,
            max(0.0, half.points, whole.points),
        )
        for values, value in zip(gains.values(), points, strict=True):
            values.append(value)
    return gains


def kept_pretrained(cases: Sequence[Case]) -> tuple[int, int, int]:
    """Runs in which auto keeps the pretrained model; of those where training had harmed; where it had helped.

    Chosen as in :func:`delivered`, with constants that were fitted on the other domains.
    """
    kept = [shares["1"] for shares, auto, _ in _ends(cases) if auto is None]
    return len(kept), sum(c.truth == HARMS for c in kept), sum(c.truth == HELPS for c in kept)
