"""BMEmbed's equation beside a definition written as loops, and beside the published code's on its own list."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.objectives.bmembed import bmembed
from contrapose.objectives.in_batch import in_batch_table

ROWS, WIDTH, NEGATIVES = 4, 5, 2
COLUMNS = ROWS * (1 + NEGATIVES)


def batch(**rest: Any) -> Views:
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(2 + NEGATIVES, ROWS, WIDTH, generator=random, dtype=torch.float64)
    scores = 4 * torch.rand(ROWS, COLUMNS, generator=random, dtype=torch.float64)
    return Views.pair(vectors[0], vectors[1], list(vectors[2:]), targets={"teacher_scores": scores}, **rest)


def cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / one.norm() / other.norm())


def by_definition(views: Views, columns: list[list[int]], temperature: float, scale: float) -> list[float]:
    documents = [views.positive, *views.negatives.values()]
    scores = views.targets["teacher_scores"]
    losses = []
    for i in range(ROWS):
        p = {c: math.exp(scale * float(scores[i, c])) for c in columns[i]}
        q = {
            c: math.exp(cosine(views.anchor[i], documents[c // ROWS][c % ROWS]) / temperature)
            for c in columns[i]
        }
        p, q = ({c: w / sum(each.values()) for c, w in each.items()} for each in (p, q))
        losses.append(sum(p[c] * math.log(p[c] / q[c]) for c in columns[i]))
    return losses


@pytest.mark.parametrize("in_batch", [False, True])
def test_it_is_the_divergence_of_the_definition(in_batch: bool) -> None:
    views = batch()
    own = [[i + ROWS * block for block in range(1 + NEGATIVES)] for i in range(ROWS)]
    columns = [list(range(COLUMNS))] * ROWS if in_batch else own
    loss_B = bmembed(
        in_batch_table(views), views, temperature=0.3, target_scale=0.7, in_batch=in_batch
    ).loss_B
    torch.testing.assert_close(loss_B.tolist(), by_definition(views, columns, 0.3, 0.7), rtol=1e-9, atol=0)


def test_its_gradient_is_that_of_the_cross_entropy_with_soft_labels() -> None:
    """The published loss is a cross-entropy: it differs by the entropy of the target, which is constant."""
    views = batch()
    anchor = views.anchor.clone().requires_grad_()
    given = views.with_views(anchor=anchor)
    ours = bmembed(in_batch_table(given), given, temperature=0.05, target_scale=0.5).loss_B.mean()
    documents = torch.stack([views.positive, *views.negatives.values()], dim=1)
    cosines = torch.einsum(
        "bd,bkd->bk", torch.nn.functional.normalize(anchor), torch.nn.functional.normalize(documents, dim=2)
    )
    at = torch.arange(ROWS)[:, None] + ROWS * torch.arange(1 + NEGATIVES)
    labels = (0.5 * views.targets["teacher_scores"].gather(1, at)).softmax(1)
    theirs = torch.nn.functional.cross_entropy(20 * cosines, labels)
    pairs = zip(torch.autograd.grad(ours, anchor), torch.autograd.grad(theirs, anchor), strict=True)
    for mine, published in pairs:
        torch.testing.assert_close(mine, published, rtol=1e-9, atol=1e-12)


def test_a_repeat_of_the_own_document_is_no_candidate() -> None:
    texts = {name: torch.arange(ROWS) + 10 * number for number, name in enumerate(("anchor", "positive"), 1)}
    ids = {**texts, "negative_1": texts["positive"].clone(), "negative_2": torch.arange(ROWS) + 90}
    views = batch(text_ids=ids)
    outcome = bmembed(in_batch_table(views), views)
    own = [[i, i + 2 * ROWS] for i in range(ROWS)]
    torch.testing.assert_close(
        outcome.loss_B.tolist(), by_definition(views, own, 0.05, 0.5), rtol=1e-9, atol=0
    )


def test_scores_of_another_batch_are_refused() -> None:
    views = batch()
    short = Views.pair(
        views.anchor, views.positive, targets={"teacher_scores": views.targets["teacher_scores"]}
    )
    with pytest.raises(ValueError, match=r"teacher_scores has shape \(4, 12\), and the batch needs \(4, 4\)"):
        bmembed(in_batch_table(short), short)
