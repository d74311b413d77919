"""BMEmbed: an encoder learns to rank documents as a search by words ranks them.

    loss_i = KL( p_i || q_i )
    p_i(j) = softmax_j( target_scale * s_ij ),   q_i(j) = softmax_j( cos(anchor_i, document_j) / t )

    s    the scores of what teaches, for every document of the batch: of a search (views ``ranked-candidates``), or of
         texts smoothed by their neighbours (views ``smoothed-neighbours``)
    j    the row's own document and its candidates; with ``in_batch``, and where there are no candidates, those of the
         other rows as well;   t: temperature

Further columns, as of a queue, have no share in p.

Wei et al. 2025, "Adapting General-Purpose Embedding Models to Private Datasets Using Keyword-based Retrieval" (ACL);
https://arxiv.org/abs/2506.00363
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import Method, Needs, Outcome, ScoreTable, Temperature, Views, needs_table
from contrapose.maths.reduce import to_logits
from contrapose.objectives.in_batch import own_negatives


@needs_table("the scores of its teacher are a table already")
def bmembed(
    table: ScoreTable,
    views: Views,
    /,
    *,
    temperature: Temperature = 0.05,
    target_scale: Annotated[
        float, Field(gt=0, le=100, description="multiplies the scores of the search that teaches")
    ] = 0.5,
    in_batch: Annotated[
        bool, Field(description="whether a query ranks the other rows' documents, too")
    ] = False,
) -> Outcome:
    """Listwise distillation. See the module's docstring for the equation.

    >>> from contrapose.objectives.in_batch import in_batch_table
    >>> one, other = torch.eye(2)
    >>> views = Views.pair(one[None], one[None], other[None], targets={"teacher_scores": torch.tensor([[2.0, 0.0]])})
    >>> bmembed(in_batch_table(views), views, temperature=1.0).loss_B.abs() < 1e-6       # softmax(1, 0) on both sides
    tensor([True])
    """
    if not in_batch and views.negatives:
        own_BC = own_negatives(table, views) | table.is_positive_BC
        of_batch = max(table.origins[name].stop for name in ("batch", *views.negatives))
        own_BC[:, of_batch:] = True
        table = table.without(~own_BC)
    log_target_BC = _log_target(table, views, target_scale)
    logits_BC = to_logits(table.cosine_BC, table, temperature)
    target_BC = log_target_BC.exp()
    difference_BC = (log_target_BC - logits_BC.log_softmax(1)).masked_fill(target_BC == 0, 0)
    return Outcome(loss_B=(target_BC * difference_BC).sum(1), logits_BC=logits_BC, table=table)


def _log_target(table: ScoreTable, views: Views, scale: float) -> Tensor:
    """log p, -inf where a column has no share. The documents of the batch are its first columns."""
    scores_BC = torch.full_like(table.cosine_BC, -torch.inf)
    given_BC = views.targets["teacher_scores"]
    expected = (views.num_rows, views.num_rows * (1 + len(views.negatives)))
    if tuple(given_BC.shape) != expected:
        raise ValueError(
            f"teacher_scores has shape {tuple(given_BC.shape)}, and the batch needs {expected}: a score of every row "
            "for every row's positive, then for every row's first negative, and so on"
        )
    scores_BC[:, : expected[1]] = given_BC.to(scores_BC.dtype)
    return (scale * scores_BC).masked_fill(~table.valid_BC, -torch.inf).log_softmax(1)


METHOD = Method(
    name="bmembed",
    idea="Rank documents for a query as a search by words ranks them.",
    paper="Wei, Zhu, Feng, Yang, Li, Sun, Zhao 2025, Adapting General-Purpose Embedding Models to Private Datasets "
    "Using Keyword-based Retrieval (ACL Findings)",
    reference="https://arxiv.org/abs/2506.00363",
    objective=bmembed,
    text_parts=("ranked-candidates",),
    needs=Needs(targets=("teacher_scores",)),
    departures=(
        "queries are the first column of the data (titles, or queries of a log; the paper's are a language model's)",
        "the intervals of ranks grow by a constant factor over the whole ranking (the code: from the top by 1.2)",
        "the loss is the divergence, 0 where both rank alike; its gradient is that of the code's cross-entropy",
        "repeats of the query's own document are no candidates",
    ),
)
