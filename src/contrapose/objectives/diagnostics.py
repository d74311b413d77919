"""What is worth watching in a step: detached tensors, so that nothing waits for the device until a line is logged."""

from __future__ import annotations

import torch
from torch import Tensor

from contrapose.maths.similarity import unit
from contrapose.objectives.contract import Outcome, Views, no_rows


@torch.no_grad()
def diagnostics(views: Views, outcome: Outcome) -> dict[str, Tensor]:
    """Statistics of one batch.

    positive_cosine, hardest_negative_cosine   means over rows, from the raw cosines
    accuracy            share of rows whose positive has the largest logit
    entropy             of the softmax over columns, in nats, mean over rows
    hardest_gradient    share of the negatives' gradient that falls on the hardest column, mean over rows
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
    stats["hardest_negative_cosine"] = _mean(hardest_B, has_negative_B)
    stats["hardest_gradient"] = _mean(negatives_BC.max(1).values / total_B, has_negative_B & (total_B > 0))
    return stats | _spread(views)


def _mean(values_B: Tensor, where_B: Tensor) -> Tensor:
    """Mean over the rows that have the value; not a number where none has. Waits for nothing."""
    count = where_B.sum()
    total = torch.where(where_B, values_B, torch.zeros_like(values_B)).sum()
    return torch.where(count > 0, total / count, no_rows().to(total))


def _spread(views: Views) -> dict[str, Tensor]:
    anchor_BD, positive_BD = unit(views.anchor), unit(views.positive)
    rows = views.num_rows
    pairs = rows * (rows - 1)
    cosine_BB = anchor_BD @ anchor_BD.T
    off_diagonal = ~torch.eye(rows, dtype=torch.bool, device=cosine_BB.device)
    # Squared distance of unit vectors is 2 - 2 cosine.
    potential_BB = torch.exp(-2 * (2 - 2 * cosine_BB))
    zero = torch.zeros_like(cosine_BB)
    return {
        "alignment": (anchor_BD - positive_BD).square().sum(1).mean(),
        "uniformity": (torch.where(off_diagonal, potential_BB, zero).sum() / max(pairs, 1)).log()
        if pairs
        else no_rows(),
        "mean_cosine": torch.where(off_diagonal, cosine_BB, zero).sum() / pairs if pairs else no_rows(),
    }
