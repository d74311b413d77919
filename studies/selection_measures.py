"""How far can label-free criteria be trusted? Encoders are trained on many domains, and judged with and without labels.

Every run is one domain and one recipe, from sensible to harmful. Its encoder, and the one half way between it and the
pretrained model, are measured twice against the pretrained model: by the labelled task of the domain, and by everything
that can be measured on text without labels. ``selection_verdicts.py`` reads what this writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
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
#: Temperatures of the held-out contrastive loss.
TEMPERATURES = (0.05, 0.1)
_SHORT = {"steps": 48, "batch_size": 64, "max_length": 32, "views": "dropout"}
_CROPS = {"steps": 48, "batch_size": 32, "max_length": 64, "views": "crop"}
_PAIRS = {"steps": 48, "batch_size": 32, "max_length": 64, "views": "pairs"}
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


class Domains:
    """The domains of a folder and what the pretrained model measures on them, each read once."""

    def __init__(self, data: Path, model: str) -> None:
        from contrapose.encoder.encoder import Encoder

        self.model = model
        self.domain = cache(lambda name: read_domain(name, data))
        self.before = cache(lambda name: measured_on(Encoder.load(model), self.domain(name)))

    def trials(self) -> list[Trial]:
        """Every recipe on every domain that allows it (natural pairs need two columns), recipe by recipe."""
        shared = {"study": "selection", "model": self.model}
        return [
            Trial(
                factors={"domain": domain, "recipe": recipe},
                options={**shared, "domain": domain, "recipe": recipe, **options},
            )
            for recipe, options in RECIPES.items()
            for domain in DOMAINS
            if self.domain(domain).has_pairs or options["views"] != "pairs"
        ]

    def measure(self, trial: Trial, folder: Path, listener: object = None) -> TrialResult:
        """Train, and measure each share of what was trained."""
        from contrapose.encoder.encoder import Encoder
        from contrapose.selection.blend import blended
        from contrapose.train.api import train

        name, options = trial.factors["domain"], RECIPES[trial.factors["recipe"]]
        domain, before, out = self.domain(name), self.before(name), folder / "run"
        run = train(
            domain.write_training(folder / "text.jsonl"),
            model=self.model,
            out=out,
            resume=out.exists(),
            columns=("title", "text") if options["views"] == "pairs" else ("text",),
            criterion="none",
            held_out_rows=0,
            seed=0,
            save_every=10_000,
            **options,
        )
        encoder, pretrained = run.encoder, Encoder.load(self.model).state_dict()
        trained = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
        changes, vectors = {}, before.vectors("start")
        for share in SHARES:
            encoder.load_state_dict(blended(pretrained, trained, share))
            after = measured_on(encoder, domain)
            changes[f"{share:g}"] = compared(before, after)
            vectors |= after.vectors(f"{share:g}")
        losses = [row["loss"] for row in run.metrics if "loss" in row]
        facts = {"shares": changes, "start": before.value, "rows": run.summary["rows"], "loss": losses[-1]}
        return TrialResult(facts=facts, evidence=vectors)


@dataclass(frozen=True)
class OnDomain:
    """What was measured of one encoder on one domain: labelled scores, vectors of the probes and of whole texts."""

    labelled: tuple[PerExampleScores | None, ...]
    value: float
    first: Mapping[str, np.ndarray]
    second: Mapping[str, np.ndarray]
    whole_ND: np.ndarray

    def vectors(self, who: str) -> dict[str, np.ndarray]:
        """The unit vectors of the probes, so that a criterion that was not thought of can be tried later."""
        sides = {f"{kind}|first": x_ND for kind, x_ND in self.first.items()}
        sides |= {f"{kind}|second": x_ND for kind, x_ND in self.second.items()} | {"whole": self.whole_ND}
        return {f"{who}|{name}": unit_rows(x_ND).astype(np.float16) for name, x_ND in sides.items()}


def measured_on(encoder: Encoder, domain: Domain) -> OnDomain:
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
    return OnDomain(
        labelled=tuple(result.per_example for result in results),
        value=float(np.mean([result.value for result in results])),
        first={probe.kind: encodings.of(probe.first) for probe in probes},
        second={probe.kind: encodings.of(probe.second) for probe in probes},
        whole_ND=encodings.of(whole),
    )


def compared(before: OnDomain, after: OnDomain) -> dict[str, Any]:
    """What changed by training: the labelled truth with its noise, and every label-free measure."""
    import torch

    from contrapose.maths.movement import neighbours_kept

    old, new = (torch.from_numpy(unit_rows(each.whole_ND)) for each in (before, after))
    return {
        "truth": truth_change(before, after),
        "probes": {kind: _probe_change(before, after, kind) for kind in before.first},
        "space": {**_space(after.whole_ND), "neighbours_kept": round(float(neighbours_kept(old, new)), 4)},
        "space_before": _space(before.whole_ND),
    }


def truth_change(before: OnDomain, after: OnDomain) -> dict[str, Any]:
    """The mean difference over the domain's tasks in points, and its 95% interval; a collapsed encoder is all loss."""
    tests = [
        old.change_to(new)
        for old, new in zip(before.labelled, after.labelled, strict=True)
        if old is not None and new is not None
    ]
    if len(tests) < len(before.labelled):
        return {"value": None, "difference": -before.value, "low": -before.value, "high": -before.value}
    difference = float(np.mean([test.difference for test in tests]))
    half = float(np.sqrt(sum(((test.high - test.low) / 2) ** 2 for test in tests))) / len(tests)
    interval = {"low": difference - half, "high": difference + half}
    values = {"value": after.value, "difference": difference, **interval}
    return {name: round(value, 4) for name, value in values.items()}


def _probe_change(before: OnDomain, after: OnDomain, kind: str) -> dict[str, Any]:
    old, new = (all_scores(each.first[kind], each.second[kind]) for each in (before, after))
    changes: dict[str, Any] = {"rows": len(after.first[kind])}
    for name, value_N in new.items():
        change_N = value_N - old[name]
        changes[name] = {
            "before": round(float(old[name].mean()), 5),
            "change": round(float(change_N.mean()), 5),
            "error": round(float(change_N.std(ddof=1) / np.sqrt(len(change_N))), 6),
        }
    return changes


def all_scores(first_ND: np.ndarray, second_ND: np.ndarray) -> dict[str, np.ndarray]:
    """What label_free.probe_scores gives of each row, and the contrastive log-likelihood of the partner, both ways.

    log_likelihood@t = mean of log softmax of the partner's cosine / t over all rows, from both sides
    """
    from scipy.special import logsumexp

    scores = probe_scores(first_ND, second_ND)
    cosine_NN = unit_rows(first_ND, np.float64) @ unit_rows(second_ND, np.float64).T
    own_N = cosine_NN.diagonal()
    for t in TEMPERATURES:
        both = logsumexp(cosine_NN / t, axis=0) + logsumexp(cosine_NN / t, axis=1)
        scores[f"log_likelihood@{t:g}"] = own_N / t - both / 2
    return scores


def _space(x_ND: np.ndarray) -> dict[str, float]:
    import torch

    from contrapose.maths import geometry

    x = torch.from_numpy(np.ascontiguousarray(x_ND, np.float32))
    measures = {"topics": round(float(geometry.neighbour_overlap(x).mean()), 5)}
    for name in ("uniformity", "effective_rank", "iso_score", "mean_cosine"):
        measures[name] = round(float(getattr(geometry, name)(x)), 5)
    return measures
