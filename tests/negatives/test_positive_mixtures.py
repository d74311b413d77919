"""MixCSE: the loss is that of loops, no gradient enters a mixture, and no mixture says what the row says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Outcome, Views
from contrapose.errors import UsageError
from contrapose.negatives.anchors import AnchorNegatives
from contrapose.negatives.positive_mixtures import PositiveMixtures
from contrapose.objectives.catalogue import recipe
from tests.reference import relatives

ROWS, WIDTH = 6, 4


def views(seed: int = 0, step: int = 0, rows: int = ROWS) -> Views:
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(rows, WIDTH, generator=random, dtype=torch.float64) + 0.5
    anchor, positive = (
        base + 0.4 * torch.randn(rows, WIDTH, generator=random, dtype=torch.float64) for _ in range(2)
    )
    return Views.pair(anchor.requires_grad_(), positive.requires_grad_(), seed=7, step=step)


def partners(batch: Views) -> list[int]:
    """The rows that the part mixes in, read off a mixture of unit vectors of a space with a dimension a row."""
    rows = batch.num_rows
    corners = replace(batch, by_name={name: torch.eye(rows) for name in ("anchor", "positive")})
    [columns] = PositiveMixtures(positive_share=0.25, mixture_scope="all").columns(corners)
    assert columns.vectors is not None
    return columns.vectors.argmax(1).tolist()


def outcome_of(batch: Views, **given: Any) -> Outcome:
    return recipe("mixcse", (), given).build(width=WIDTH)(batch).outcome


@pytest.mark.parametrize("scope", ["own", "all"])
@pytest.mark.parametrize("mixed_anchors", [False, True])
@pytest.mark.parametrize("raw_vectors", [False, True])
@pytest.mark.parametrize("detach", [False, True])
def test_equals_the_loops_in_loss_and_gradient(
    scope: str, mixed_anchors: bool, raw_vectors: bool, detach: bool
) -> None:
    batch = views()
    chosen = partners(batch)
    options: dict[str, Any] = {
        "mixed_anchors": mixed_anchors,
        "raw_vectors": raw_vectors,
        "positive_share": 0.3,
    }
    given = {**options, "mixture_scope": scope, "detach_mixture": detach, "temperature": 0.2}
    ours = outcome_of(batch, **given).loss_B

    def theirs(anchor: Tensor, positive: Tensor) -> Tensor:
        written = relatives.mixcse(
            anchor.tolist(), positive.tolist(), chosen, temperature=0.2, scope=scope, **options
        )
        return torch.tensor(written, dtype=torch.float64)

    torch.testing.assert_close(ours, theirs(batch.anchor, batch.positive))
    if not detach:
        for name, gradient in zip(
            ("anchor", "positive"),
            torch.autograd.grad(ours.sum(), [batch.anchor, batch.positive]),
            strict=True,
        ):
            step = torch.zeros_like(gradient)
            step[2, 1] = 1e-6
            up, down = (
                theirs(
                    **{
                        "anchor": batch.anchor,
                        "positive": batch.positive,
                        name: batch.by_name[name] + sign * step,
                    }
                )
                for sign in (1, -1)
            )
            assert gradient[2, 1].item() == pytest.approx(
                ((up - down).sum() / 2e-6).item(), rel=1e-4, abs=1e-6
            )


def test_no_gradient_enters_a_mixture_and_the_anchor_is_pushed_off_it() -> None:
    batch = views()
    outcome = outcome_of(batch)
    mixed = outcome.table.cosine_BC[:, outcome.table.origins["mixtures"]].sum()
    to_anchor, to_positive = torch.autograd.grad(
        mixed, [batch.anchor, batch.positive], allow_unused=True, retain_graph=True
    )
    assert to_anchor.abs().sum() > 0
    assert to_positive is None or not to_positive.any()
    whole = outcome_of(batch, detach_mixture=False).table
    mixed = whole.cosine_BC[:, whole.origins["mixtures"]].sum()
    assert torch.autograd.grad(mixed, batch.positive)[0].abs().sum() > 0


def test_a_mixture_is_nearer_than_the_negative_it_is_made_of() -> None:
    batch = views()
    table = outcome_of(batch).table
    mixed_B = table.cosine_BC[:, table.origins["mixtures"]].squeeze(1)
    random_B = table.cosine_BC[torch.arange(ROWS), partners(batch)]
    assert (mixed_B > random_B).all()


def test_other_rows_are_drawn_anew_at_every_step_and_each_can_be() -> None:
    drawn = [partners(views(step=step)) for step in range(60)]
    assert len({tuple(rows) for rows in drawn}) > 40
    for row in range(ROWS):
        assert {rows[row] for rows in drawn} == set(range(ROWS)) - {row}


def test_a_repeat_of_the_rows_text_is_no_other_half() -> None:
    texts = torch.tensor([1, 2, 1, 1, 2, 3])
    for step in range(20):
        batch = replace(views(step=step), text_ids={"anchor": texts, "positive": texts})
        chosen = partners(batch)
        assert all(texts[i] != texts[j] for i, j in enumerate(chosen))
        table = outcome_of(batch, mixture_scope="all", mixed_anchors=True).table
        seen = table.valid_BC[:, table.origins["mixtures"]]
        for i in range(ROWS):
            for j in range(ROWS):
                other = texts[j] != texts[i] and texts[chosen[j]] != texts[i]
                assert seen[i, j].item() == (i == j or bool(other))


def test_one_text_alone_and_one_row_alone_have_no_mixture() -> None:
    same = torch.full((ROWS,), 4)
    alone = replace(views(), text_ids={"anchor": same, "positive": same})
    for batch in (alone, views(rows=1)):
        outcome = outcome_of(batch, mixture_scope="all", mixed_anchors=True)
        assert not outcome.table.negative_BC.any()
        assert outcome.loss_B.abs().max() == 0


def test_anchors_of_other_texts_are_columns_and_the_own_one_is_not() -> None:
    texts = torch.tensor([1, 2, 1, 3, 4, 5])
    batch = replace(views(), text_ids={"anchor": texts, "positive": texts})
    [columns] = AnchorNegatives().columns(batch)
    assert {tuple(pair) for pair in (~columns.counts((6, 6))).nonzero().tolist()} == {
        (0, 2),
        (2, 0),
        *((i, i) for i in range(6)),
    }
    table = recipe("simcse", ["anchor-negatives"]).build(width=WIDTH)(batch).outcome.table
    torch.testing.assert_close(
        table.cosine_BC[:, table.origins["anchors"]].diag(), torch.ones(6, dtype=torch.float64)
    )


@pytest.mark.parametrize("given", [{"positive_share": 0.6}, {"mixture_scope": "some"}])
def test_what_makes_no_sense_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        recipe("mixcse", (), given)
