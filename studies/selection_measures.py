"""How far can label-free criteria be trusted? Encoders are trained on many domains, and judged with and without labels.

Every run is one domain and one recipe, from sensible to harmful. Its encoder, and the one half way between the start
and it, are measured twice against the start: by the labelled task of the domain, and by everything that can be
measured on text without labels. ``study_selection.py`` reads what this writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.probes import probes_of
from contrapose.evaluate.vectors import unit_rows
from contrapose.experiment.trials import Trial, TrialResult
from contrapose.selection.label_free import probe_scores
from studies.selection_domains import DOMAINS, Domain, read_domain

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Shares of the trained encoder that are measured.
SHARES = (0.5, 1.0)
STEPS = 48
#: Temperatures of the held-out contrastive loss.
TEMPERATURES = (0.05, 0.1)
NEIGHBOURS = 10

_SHORT = {"steps": STEPS, "batch_size": 64, "max_length": 32, "views": "dropout"}
_CROPS = {"steps": STEPS, "batch_size": 32, "max_length": 64, "views": "crop"}
_PAIRS = {"steps": STEPS, "batch_size": 32, "max_length": 64, "views": "pairs"}
#: Recipe -> training options: methods, rates, lengths and views, in the order in which they are run.
RECIPES: dict[str, dict[str, Any]] = {
    "dropout 2e-5": {"method": "simcse", "learning_rate": 2e-5, **_SHORT},
    "crops 1e-5": {"method": "simcse", "learning_rate": 1e-5, **_CROPS},
    "pairs 2e-5": {"method": "simcse", "learning_rate": 2e-5, **_PAIRS},
    "focal dropout 2e-4": {"method": "focal-infonce", "learning_rate": 2e-4, **_SHORT},
    "hnm dropout 5e-5": {"method": "hncse-hnm", "learning_rate": 5e-5, **_SHORT},
    "crops 1e-4": {"method": "simcse", "learning_rate": 1e-4, **_CROPS},
    "pairs 1e-4": {"method": "hncse-hnm", "learning_rate": 1e-4, **_PAIRS},
}


def recipes_for(domain: Domain) -> dict[str, dict[str, Any]]:
    """The recipes that the domain's text allows: natural pairs need two columns."""
    return {
        name: options for name, options in RECIPES.items() if domain.has_pairs or options["views"] != "pairs"
    }


def trials_of(bench: Bench) -> list[Trial]:
    """Every recipe on every domain that allows it, one recipe of all domains after the other."""
    return [
        Trial(
            factors={"domain": domain, "recipe": recipe},
            options={
                "study": "selection",
                "model": bench.model,
                "domain": domain,
                "recipe": recipe,
                **options,
            },
        )
        for recipe, options in RECIPES.items()
        for domain in DOMAINS
        if recipe in recipes_for(bench.domain(domain))
    ]


@dataclass(frozen=True)
class Seen:
    """Everything that was measured of one encoder on one domain: truth, probe vectors and vectors of whole texts."""

    truth: tuple[PerExampleScores | None, ...]
    value: float
    first: Mapping[str, np.ndarray]
    second: Mapping[str, np.ndarray]
    whole_ND: np.ndarray


class Bench:
    """Domains and what the start measures on them, kept between trials."""

    def __init__(self, data: Path, model: str) -> None:
        self._data, self.model = data, model
        self._domains: dict[str, Domain] = {}
        self._starts: dict[str, Seen] = {}

    def domain(self, name: str) -> Domain:
        if name not in self._domains:
            self._domains[name] = read_domain(name, self._data)
        return self._domains[name]

    def start(self, name: str) -> Seen:
        if name not in self._starts:
            from contrapose.encoder.encoder import Encoder

            self._starts[name] = see(Encoder.load(self.model), self.domain(name))
        return self._starts[name]


def measure(bench: Bench, trial: Trial, place: Path) -> TrialResult:
    from contrapose.encoder.encoder import Encoder
    from contrapose.selection.blend import blended
    from contrapose.train.api import train

    domain = bench.domain(trial.factors["domain"])
    start = bench.start(domain.name)
    options = dict(RECIPES[trial.factors["recipe"]])
    columns = ("title", "text") if options["views"] == "pairs" else ("text",)
    corpus = domain.write_training(place / "text.jsonl")
    out = place / "run"
    run = train(
        corpus,
        model=bench.model,
        out=out,
        resume=out.exists(),
        columns=columns,
        criterion="none",
        held_out_rows=0,
        seed=0,
        save_every=10_000,
        **options,
    )
    encoder, first = run.encoder, Encoder.load(bench.model).state_dict()
    trained = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    found, vectors = {}, _vectors("start", start)
    for share in SHARES:
        encoder.load_state_dict(blended(first, trained, share))
        now = see(encoder, domain)
        found[f"{share:g}"] = compared(start, now)
        vectors |= _vectors(f"{share:g}", now)
    losses = [row["loss"] for row in run.metrics if "loss" in row]
    facts = {"shares": found, "start": start.value, "rows": run.summary["rows"], "loss": losses[-1]}
    return TrialResult(facts=facts, evidence=vectors)


def _vectors(who: str, seen: Seen) -> dict[str, np.ndarray]:
    """The unit vectors of the probes, so that a criterion that was not thought of can be tried later."""
    sides = {f"{kind}|first": x for kind, x in seen.first.items()}
    sides |= {f"{kind}|second": x for kind, x in seen.second.items()} | {"whole": seen.whole_ND}
    return {f"{who}|{name}": unit_rows(x).astype(np.float16) for name, x in sides.items()}


def see(encoder: Encoder, domain: Domain) -> Seen:
    """Measure an encoder on a domain."""
    from contrapose.evaluate.encoding import encode_once
    from contrapose.train.environment import pick_precision

    precision = "bf16" if pick_precision("auto", encoder.device) else "fp32"
    probes = probes_of(domain.probe_rows)
    whole = list(domain.probe_rows.values())[-1]
    texts = [text for task in domain.tasks for text in task.texts] + [*whole]
    texts += [text for probe in probes for text in (*probe.first, *probe.second)]
    encodings = encode_once(encoder, texts, precision=precision)
    results = [task.score(encodings)[0] for task in domain.tasks]
    return Seen(
        truth=tuple(result.per_example for result in results),
        value=float(np.mean([result.value for result in results])),
        first={probe.kind: encodings.of(probe.first) for probe in probes},
        second={probe.kind: encodings.of(probe.second) for probe in probes},
        whole_ND=encodings.of(whole),
    )


def compared(start: Seen, now: Seen) -> dict[str, Any]:
    """What changed from the start: the labelled truth with its noise, and every label-free measure."""
    return {
        "truth": truth_change(start, now),
        "probes": {kind: _probe_change(start, now, kind) for kind in start.first},
        "space": {**_space(now.whole_ND), "neighbours_kept": neighbours_kept(start.whole_ND, now.whole_ND)},
        "space_before": _space(start.whole_ND),
    }


def truth_change(start: Seen, now: Seen) -> dict[str, Any]:
    """The mean difference over the domain's tasks in points, and its 95% interval; a collapsed encoder is all loss."""
    pairs = list(zip(start.truth, now.truth, strict=True))
    if any(after is None or before is None for before, after in pairs):
        return {"value": None, "difference": -start.value, "low": -start.value, "high": -start.value}
    tests = [before.change_to(after) for before, after in pairs if before is not None and after is not None]
    difference = float(np.mean([test.difference for test in tests]))
    half = float(np.sqrt(sum(((test.high - test.low) / 2) ** 2 for test in tests))) / len(tests)
    values = {
        "value": now.value,
        "difference": difference,
        "low": difference - half,
        "high": difference + half,
    }
    return {name: round(value, 4) for name, value in values.items()}


def _probe_change(start: Seen, now: Seen, kind: str) -> dict[str, Any]:
    before = all_scores(start.first[kind], start.second[kind])
    after = all_scores(now.first[kind], now.second[kind])
    found: dict[str, Any] = {"rows": len(now.first[kind])}
    for name, value_N in after.items():
        change_N = value_N - before[name]
        found[name] = {
            "before": round(float(before[name].mean()), 5),
            "change": round(float(change_N.mean()), 5),
            "error": round(float(change_N.std(ddof=1) / np.sqrt(len(change_N))), 6),
        }
    return found


def all_scores(first_ND: np.ndarray, second_ND: np.ndarray) -> dict[str, np.ndarray]:
    """What labelfree.probe_scores gives of each row, and the contrastive log-likelihood of the partner, both ways.

    log_likelihood@t = mean of log softmax of the partner's cosine / t over all rows, from both sides
    """
    from scipy.special import logsumexp

    found = probe_scores(first_ND, second_ND)
    cosine_NN = unit_rows(first_ND, np.float64) @ unit_rows(second_ND, np.float64).T
    own_N = cosine_NN.diagonal()
    for t in TEMPERATURES:
        both = logsumexp(cosine_NN / t, axis=0) + logsumexp(cosine_NN / t, axis=1)
        found[f"log_likelihood@{t:g}"] = own_N / t - both / 2
    return found


def neighbours_kept(before_ND: np.ndarray, after_ND: np.ndarray, k: int = NEIGHBOURS) -> float:
    """The share of the k nearest other texts that are the same for both encoders, 0 to 1."""
    lists = []
    for x_ND in (before_ND, after_ND):
        cosine_NN = unit_rows(x_ND) @ unit_rows(x_ND).T
        np.fill_diagonal(cosine_NN, -np.inf)
        lists.append(np.argpartition(-cosine_NN, k, axis=1)[:, :k])
    kept = [len(set(old) & set(new)) for old, new in zip(*lists, strict=True)]
    return round(float(np.mean(kept)) / k, 4)


def _space(x_ND: np.ndarray) -> dict[str, float]:
    import torch

    from contrapose.maths.geometry import (
        effective_rank,
        iso_score,
        mean_cosine,
        neighbour_overlap,
        uniformity,
    )

    x = torch.from_numpy(np.ascontiguousarray(x_ND, np.float32))
    measures = {
        "uniformity": uniformity,
        "effective_rank": effective_rank,
        "iso_score": iso_score,
        "mean_cosine": mean_cosine,
    }
    topics = {"topics": round(float(neighbour_overlap(x).mean()), 5)}
    return topics | {name: round(float(measure(x)), 5) for name, measure in measures.items()}
