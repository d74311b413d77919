"""What the parts of a method do to dropout views of real batches, without any training: as at the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contrapose.seeds import seeded, torch_generator
from studies.measuring import rounded

if TYPE_CHECKING:
    from contrapose.contract import Views
    from contrapose.encoder.encoder import Encoder
    from studies.runs import Setup

#: Sentences that are encoded.
SENTENCES = 512


def batches_of_views(encoder: Encoder, setup: Setup, seed: int = 0) -> list[Views]:
    """Each whole batch of the first sentences encoded twice with dropout, through the head where there is one; fp32."""
    import torch

    from contrapose.contract import Views
    from contrapose.text.identity import text_hashes

    texts, size = setup.texts()[:SENTENCES], setup.batch_size
    batches = []
    for step in range(len(texts) // size):
        batch = texts[step * size : (step + 1) * size]
        token_ids = encoder.token_ids(batch, setup.max_length)
        vectors = []
        with encoder.in_mode(training=True), torch.no_grad():
            for view in (0, 1):
                with seeded(seed, "look", step, view, device=encoder.device):
                    pooled = encoder.pooled(token_ids)
                    vectors.append(pooled if encoder.head is None else encoder.head(pooled))
        by_name, text_ids = dict(zip(("anchor", "positive"), vectors, strict=True)), text_hashes(batch)
        batches.append(
            Views(by_name=by_name, text_ids=dict.fromkeys(by_name, text_ids), seed=seed, step=step)
        )
    return batches


def forget(encoder: Encoder, seed: int = 0) -> Encoder:
    """The same architecture with random weights: matrices from N(0, 0.02), no biases, scales of 1. In place."""
    import torch

    generator = torch_generator(seed, "forget")
    with torch.no_grad():
        for name, parameter in encoder.backbone.named_parameters():
            if parameter.dim() > 1:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return encoder


def effect(batches: Sequence[Views], **hyperparameters: Any) -> dict[str, Any]:
    """What mixing does to the cosine of query and positive, over all rows of the batches.

    near, over, far: shares of the rows; mixed: rows whose positive was changed; share: the negative's mean share in
    those; before, after: their mean cosine of query and positive; change, low, high: its difference with a bootstrap
    interval; closer: the share of those rows in which it rose.
    """
    import torch

    from contrapose.evaluate.statistics import bootstrap_interval
    from contrapose.maths.similarity import paired_cosine
    from contrapose.positives.mixing import MixedPositive

    mixer, cosines, stats = MixedPositive(**hyperparameters), [], []
    for views in batches:
        mixed = mixer.views(views)
        changed = (mixed.positive != views.positive).any(1)
        both = [
            paired_cosine(views.anchor, positive)[changed] for positive in (views.positive, mixed.positive)
        ]
        cosines.append(torch.stack(both))
        stats.append({name: float(value) for name, value in mixer.statistics.items()})
    shares = {
        kind: rounded(sum(of_batch[f"share_{kind}"] for of_batch in stats) / len(stats))
        for kind in ("near", "over", "far")
    }
    before_N, after_N = torch.cat(cosines, 1)
    if not len(before_N):
        return {**shares, "mixed": 0}
    interval = bootstrap_interval((after_N - before_N).double().numpy(), resamples=2_000)
    taken = sum(
        of_batch["mixing_share"] * views.num_rows for of_batch, views in zip(stats, batches, strict=True)
    )
    values = {
        "before": float(before_N.mean()),
        "after": float(after_N.mean()),
        "change": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "closer": float((after_N > before_N).double().mean()),
        "share": taken / len(before_N),
    }
    return {
        **shares, "mixed": len(before_N), **{name: rounded(value) for name, value in values.items()}
    }  # fmt: skip
