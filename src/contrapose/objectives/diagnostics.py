"""What is worth watching in a step: detached tensors, so that nothing waits for the device until a line is logged."""

from __future__ import annotations

import torch
from torch import Tensor

from contrapose.contract import Outcome, Views, no_rows
from contrapose.maths.geometry import alignment, mean_cosine, uniformity


@torch.no_grad()
def diagnostics(views: Views, outcome: Outcome) -> dict[str, Tensor]:
    """Statistics of one batch.

    positive_cosine, hardest_negative_cosine   means over rows, from the raw cosines
    accuracy            share of rows whose positive has the largest logit
    entropy             of the softmax over columns, in nats, mean over rows
    hardest_share       share of the softmax over the negatives that the hardest holds, mean over rows; with InfoNCE
                        this is its share of the negatives' gradient
    alignment           mean squared distance of unit anchor and unit positive
    uniformity          log mean exp(-2 squared distance) over pairs of different anchors
    mean_cosine         mean cosine of different anchors: near 1, the encoder says the same of everything
    columns_<origin>    columns per row that count, by where they come from
    struck_out          columns per row left out, as repeats of the anchor
    """
    table, logits_BC = outcome.table, outcome.logits_BC
    negative_BC = table.negative_BC
    log_share_BC = logits_BC.log_softmax(1)
    share_BC = log_share_BC.exp()
    positive_B = table.cosine_BC.gather(1, table.positive_B[:, None]).squeeze(1)
    stats = {
        "positive_cosine": positive_B.mean(),
        "accuracy": (logits_BC.argmax(1) == table.positive_B).float().mean(),
        "entropy": -(share_BC * log_share_BC).sum(1).mean(),
        "struck_out": (~table.valid_BC).sum(1).float().mean(),
    }
    for origin, columns in table.origins.items():
        stats[f"columns_{origin.replace('-', '_')}"] = negative_BC[:, columns].sum(1).float().mean()
    negatives_BC = share_BC.masked_fill(~negative_BC, 0)
    total_B = negatives_BC.sum(1)
    hardest_B = table.cosine_BC.masked_fill(~negative_BC, -torch.inf).max(1).values
    has_negative_B = torch.isfinite(hardest_B)
    stats["hardest_negative_cosine"] = mean_where(hardest_B, has_negative_B)
    stats["hardest_share"] = mean_where(negatives_BC.max(1).values / total_B, has_negative_B & (total_B > 0))
    return stats | {
        "alignment": alignment(views.anchor, views.positive),
        "uniformity": uniformity(views.anchor),
        "mean_cosine": mean_cosine(views.anchor),
    }


def mean_where(values_B: Tensor, where_B: Tensor) -> Tensor:
    """Mean over the rows that have the value; not a number where none has. Waits for nothing."""
    count = where_B.sum()
    total = torch.where(where_B, values_B, torch.zeros_like(values_B)).sum()
    return torch.where(count > 0, total / count, no_rows().to(total))
