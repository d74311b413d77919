"""What a look at held-out text costs in tokens, row by row, and how often a run can afford one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.probes import body_of, split_in_halves
from contrapose.selection.budget import (
    SHARES,
    TRAINING_COST,
    EvaluationCost,
    EvaluationPlan,
    budget,
    plan_evaluations,
)
from contrapose.selection.held_out import num_rows, texts_and_probes, tokens_of
from contrapose.selection.label_free import FEWEST_TEXTS
from contrapose.selection.settings import SelectionSettings

if TYPE_CHECKING:
    from contrapose.selection.criterion import Criterion


def evaluations_of_run(
    chosen: SelectionSettings,
    criterion: Criterion | None,
    encoder: Encoder,
    first_batch: Iterable[str],
    *,
    max_length: int,
    num_steps: int,
) -> EvaluationPlan:
    """How often this run looks at held-out text, and at how much: :mod:`contrapose.selection.budget`.

    first_batch: the texts of all views of the first step, by which the cost of a step is known.
    """
    interval = chosen.evaluation_interval(num_steps)
    if criterion is None:
        return EvaluationPlan(rows=0, eval_every=interval, shares=())
    per_step = sum(map(len, encoder.token_ids(list(first_batch), encoder.length_for(max_length))))
    shares = SHARES if chosen.blend in (None, "auto") else (float(chosen.blend),)
    cost = criterion.cost(encoder)
    plan = plan_evaluations(
        cost,
        budget(num_steps, per_step, _weights(encoder)),
        num_steps=num_steps,
        eval_every=interval,
        shares=shares,
        fixed_interval=chosen.eval_every is not None or chosen.patience is not None,
        fixed_shares=chosen.blend is not None,
    )
    tokens = sum(cost.pairs[: plan.rows]) + sum(cost.whole[: plan.rows])
    return replace(plan, in_steps=tokens / (TRAINING_COST * max(1, per_step)))


def _weights(encoder: Encoder) -> int:
    """Weights that a token is multiplied with: an embedding is only looked up."""
    looked_up = (m.weight for m in encoder.backbone.modules() if isinstance(m, torch.nn.Embedding))
    total = sum(weight.numel() for weight in encoder.backbone.parameters())
    return int(total - sum(weight.numel() for weight in looked_up))


def cost_of_rows(encoder: Encoder, columns: Mapping[str, Sequence[str]]) -> EvaluationCost:
    """Tokens of a look at each row, as :func:`texts_and_probes` makes its texts; equal texts are counted each time."""
    titled, bodies = len(columns) > 1, body_of(columns)
    halves = [*zip(*(split_in_halves(text) or ("", "") for text in bodies), strict=True)]
    sides = [*list(columns.values())[:2], *halves] if titled else halves
    pairs = [sum(row) for row in zip(*(tokens_of(encoder, side) for side in sides), strict=True)]
    whole = (
        [0] * len(pairs) if titled else tokens_of(encoder, bodies)
    )  # a body that has a title is a side already
    return EvaluationCost(pairs=pairs, whole=whole, fewest=fewest_rows(columns))


def fewest_rows(columns: Mapping[str, Sequence[str]]) -> int:
    """The fewest of the first rows that can be looked at at all, up to a doubling; all where no fewer can."""
    rows = FEWEST_TEXTS
    while rows < num_rows(columns):
        texts, probes = texts_and_probes({name: column[:rows] for name, column in columns.items()})
        if probes and len(texts) >= FEWEST_TEXTS:
            return rows
        rows *= 2
    return num_rows(columns)
