"""What positive mixing does to real batches of dropout views, without any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.experiment.trials import Trial, TrialResult
from studies.measuring import rounded
from studies.setup import Setup
from studies.views import LOOKED_AT, dropout_views, forget

if TYPE_CHECKING:
    from torch import Tensor

    from contrapose.encoder.encoder import Encoder
    from contrapose.objectives.contract import Views

#: Thresholds of the gap up to which a positive is mixed.
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
#: How the share of the negative is found in near rows: what it is called -> the numbers of the part. ``SEARCH`` is the
#: paper's own aim; the last is what its code minimises instead.
SIMILARITY, FIXED, SEARCH, PUBLISHED = "similarity", "fixed", "search", "search, as published"
MODES: Mapping[str, Mapping[str, Any]] = {
    SIMILARITY: {"near_mode": "similarity"},
    FIXED: {"near_mode": "fixed"},
    SEARCH: {"near_mode": "search", "search_objective": "max-margin"},
    "search, share to 0.5": {"near_mode": "search", "search_objective": "max-margin", "max_share": 0.5},
    PUBLISHED: {"near_mode": "search", "search_objective": "paper"},
    "as published, share to 0.5": {"near_mode": "search", "search_objective": "paper", "max_share": 0.5},
}
#: The encoders that are looked at.
START, NOISY, RANDOM = "the start", "the start, dropout 0.3", "random weights"


def look(setup: Setup, name: str, trial: Trial, place: Path, listener: object = None) -> TrialResult:
    """Every threshold and mode, on one encoder."""
    from contrapose.encoder.encoder import Encoder

    encoder: Encoder = Encoder.load(setup.model, dropout=0.3 if name == NOISY else None)
    if name == RANDOM:
        forget(encoder)
    views = list(
        dropout_views(
            encoder, setup.texts()[:LOOKED_AT], batch_size=setup.batch_size, max_length=setup.max_length
        )
    )
    grid = [
        {"gap_threshold": threshold, "near_mode": mode, **effect(views, gap_threshold=threshold, **numbers)}
        for mode, numbers in MODES.items()
        for threshold in THRESHOLDS
    ]
    return TrialResult(facts={"grid": grid, "sentences": sum(batch.num_rows for batch in views)})


def effect(batches: Sequence[Views], **numbers: Any) -> dict[str, Any]:
    """What mixing with these numbers does to the cosine of query and positive, over all rows of the batches.

    near, over, far: shares of the rows; mixed: rows whose positive was changed; share: the negative's mean share in
    those; before, after: their mean cosine of query and positive; change, low, high: its difference with a bootstrap
    interval; closer: the share of those rows in which it rose.
    """
    import torch

    from contrapose.maths.similarity import paired_cosine
    from contrapose.positives.mixing import MixedPositive

    mixer = MixedPositive(**numbers)
    before, after, told = [], [], []
    for views in batches:
        mixed, stats = mixer.mix(views)
        changed = (mixed.positive != views.positive).any(1)
        before.append(paired_cosine(views.anchor, views.positive)[changed])
        after.append(paired_cosine(views.anchor, mixed.positive)[changed])
        told.append({key: float(value) for key, value in stats.items()})
    shares = {
        kind: rounded(sum(stats[f"share_{kind}"] for stats in told) / len(told))
        for kind in ("near", "over", "far")
    }
    found = {**shares, **_compared(torch.cat(before), torch.cat(after))}
    if found["mixed"]:
        mixed_in = sum(
            stats["mixing_share"] * batch.num_rows for stats, batch in zip(told, batches, strict=True)
        )
        found["share"] = rounded(mixed_in / found["mixed"])
    return found


def _compared(before_N: Tensor, after_N: Tensor) -> dict[str, Any]:
    from contrapose.evaluate.statistics import bootstrap_interval

    if not len(before_N):
        return {"mixed": 0}
    found = bootstrap_interval((after_N - before_N).double().numpy(), resamples=2_000)
    return {
        "mixed": len(before_N),
        "before": rounded(float(before_N.mean())),
        "after": rounded(float(after_N.mean())),
        "change": rounded(found.estimate),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "closer": rounded(float((after_N > before_N).double().mean())),
    }
