"""The table that every in-batch objective starts from: other rows' positives, given negatives, extra columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrapose.maths.scores import Columns, ScoreTable, score_table
from contrapose.maths.similarity import at_least_fp32, cosine_table, paired_cosine
from contrapose.objectives.contract import Candidates, Views


def in_batch_table(
    views: Views, candidates: Sequence[Candidates] = (), hard_negative_weight: float = 0.0
) -> ScoreTable:
    """Columns [positives of all rows | each given negative of all rows | candidates]; row i's positive is column i.

    Columns that say what the row's own anchor or positive says are struck out: a sentence is no negative of itself.
    ``hard_negative_weight`` is added to the logit of each row's own given negatives.
    """
    device = views.anchor.device
    rows_B = torch.arange(views.num_rows, device=device)
    own_BB = torch.eye(views.num_rows, dtype=torch.bool, device=device)
    own_weight_BB = None
    if hard_negative_weight:
        own_weight_BB = own_BB.to(at_least_fp32(views.anchor).dtype) * hard_negative_weight
    blocks = [_positives(views)]
    for name, negative_BD in views.negatives.items():
        repeats_BB = views.repeats_anchor(name)
        blocks.append(
            Columns(
                origin=name,
                vectors=negative_BD,
                valid=None if repeats_BB is None else ~repeats_BB,
                log_weight=own_weight_BB,
            )
        )
    blocks += [candidate.columns for candidate in candidates]
    return score_table(views.anchor, blocks, rows_B)


def _positives(views: Views) -> Columns:
    repeats_BB = views.repeats_anchor("positive")
    valid = None if repeats_BB is None else ~repeats_BB
    own_positive_BD = views.by_name.get("own_positive")
    if own_positive_BD is None:
        return Columns(origin="batch", vectors=views.positive, valid=valid)
    cosine_BB = cosine_table(views.anchor, views.positive)
    own_B = paired_cosine(views.anchor, own_positive_BD)
    return Columns(origin="batch", cosines=torch.diagonal_scatter(cosine_BB, own_B), valid=valid)
