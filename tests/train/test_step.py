"""A step equals the plain way of writing it: two forward passes, a cross entropy, one backward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from contrapose.contract import TiledOutcome
from contrapose.encoder.encoder import Encoder
from contrapose.maths import tiled
from contrapose.objectives.catalogue import recipe
from contrapose.train.step import StepPlan, forward_backward, tokenize
from tests.train.steps import assert_same_gradients, batch_of, gradients, tokenized

TEMPERATURE = 0.05


def objective(width: int = 32):
    return recipe("simcse", (), {"temperature": TEMPERATURE}).build(width=width)


@pytest.mark.parametrize("with_head", [False, True], ids=["no head", "linear-tanh"])
@pytest.mark.parametrize("views", [2, 3])
def test_a_step_has_the_gradients_of_the_plain_two_pass_step(
    calm_encoder: Encoder, views: int, with_head: bool
) -> None:
    encoder = calm_encoder
    if not with_head:
        encoder.head = None
    assert with_head == (encoder.head is not None)
    plan = StepPlan(seed=0, max_length=16, num_groups=3)
    batch = batch_of(24, views=views)
    result = forward_backward(encoder, objective(), tokenize(encoder, batch, plan), plan)
    ours = gradients(encoder)

    encoder.zero_grad()
    head = encoder.head or torch.nn.Identity()
    vectors = [
        F.normalize(head(encoder.pooled(encoder.token_ids(view, 16)))) for view in batch.texts.values()
    ]
    logits = torch.cat([vectors[0] @ other.T for other in vectors[1:]], dim=1) / TEMPERATURE
    # A row's own text is its positive's text in these views; no other column repeats it.
    loss = F.cross_entropy(logits, torch.arange(24))
    loss.backward()
    plain = gradients(encoder)

    assert result.loss.total.item() == pytest.approx(loss.item(), rel=1e-5)
    assert ours.keys() == plain.keys()
    scale = max(float(gradient.abs().max()) for gradient in plain.values())
    assert scale > 0
    for name in plain:
        torch.testing.assert_close(ours[name], plain[name], rtol=1e-4, atol=1e-6 * scale, msg=name)


@pytest.mark.parametrize("views", [2, 3])
def test_a_step_in_tiles_has_the_loss_and_gradients_of_the_table(
    calm_encoder: Encoder, views: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled, "TILE", (7, 5))
    found, losses = [], []
    for in_tiles in (False, True):
        calm_encoder.zero_grad()
        plan = StepPlan(seed=0, max_length=16, tiled=in_tiles)
        result = forward_backward(
            calm_encoder, objective(), tokenized(calm_encoder, 24, plan, views=views), plan
        )
        assert isinstance(result.loss.outcome, TiledOutcome) == in_tiles
        assert result.problem() == ""
        found.append(gradients(calm_encoder))
        losses.append(result.loss.total.item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert_same_gradients(*found, within=1e-5)


def test_a_loss_in_tiles_that_is_not_finite_is_told_by_its_rows(encoder: Encoder) -> None:
    plan = StepPlan(seed=0, max_length=16, tiled=True)
    result = forward_backward(encoder, objective(), tokenized(encoder, 8, plan), plan)
    outcome = result.loss.outcome
    assert isinstance(outcome, TiledOutcome)
    broken = replace(
        outcome, loss_B=outcome.loss_B.detach().clone().index_fill_(0, torch.tensor([2]), torch.nan)
    )
    # As a second process of two has it: its rows come behind the other's.
    broken = replace(broken, loss_B=broken.loss_B[:4], table=replace(outcome.table, rows=slice(4, 8)))
    told = replace(result, loss=replace(result.loss, outcome=broken)).problem()
    assert told == "the loss is not finite: term total, 1 rows (corpus rows 46)"


def test_the_views_of_a_step_know_their_rows_and_texts(encoder: Encoder) -> None:
    plan = StepPlan(seed=5, max_length=16)
    views = forward_backward(encoder, objective(), tokenized(encoder, 8, plan), plan).views
    assert views.row_ids is not None
    assert views.row_ids.tolist() == list(range(40, 48))
    assert (views.seed, views.step, views.num_rows) == (5, 4, 8)
    assert torch.equal(views.text_ids["anchor"], views.text_ids["positive"])


def test_dropout_is_a_function_of_seed_and_step(encoder: Encoder) -> None:
    def anchor(seed: int, step: int) -> torch.Tensor:
        plan = StepPlan(seed=seed, max_length=16)
        batch = tokenize(encoder, batch_of(8, step=step), plan)
        return forward_backward(encoder, objective(), batch, plan).views.anchor.detach()

    first = anchor(0, 3)
    torch.rand(5)
    assert torch.equal(first, anchor(0, 3))
    assert not torch.equal(first, anchor(0, 4))
    assert not torch.equal(first, anchor(1, 3))


def test_a_step_leaves_the_global_random_stream_alone(encoder: Encoder) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    plan = StepPlan(seed=0, max_length=16, chunk_size=4)
    forward_backward(encoder, objective(), tokenized(encoder, 8, plan), plan)
    assert torch.equal(torch.rand(3), expected)


def test_similarities_are_fp32_where_the_encoder_is_not(encoder: Encoder) -> None:
    plan = StepPlan(seed=0, max_length=16, bf16=True)
    result = forward_backward(encoder, objective(), tokenized(encoder, 8, plan), plan)
    assert result.loss.outcome.logits_BC.dtype == torch.float32
    assert result.views.anchor.dtype == torch.float32
