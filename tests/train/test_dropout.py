"""The CPU's own dropout masks: right on average, a function of the seed and the place, and nobody else's business."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from contrapose.encoder.encoder import Encoder
from contrapose.seeds import seeded
from contrapose.train.dropout import SeededDropout
from tests.train.runs import texts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.001, 0.1, 0.5, 0.9, 0.99999])
def test_a_mask_drops_the_share_that_was_asked_and_keeps_the_mean(p: float, dtype: torch.dtype) -> None:
    count = 400_000
    mask = SeededDropout(0, "share", str(p)).mask((count,), p, dtype)
    assert mask.dtype == dtype
    assert set(mask.float().unique().tolist()) <= {0.0, torch.tensor(1 / (1 - p), dtype=dtype).item()}
    dropped = float((mask == 0).float().mean())
    assert dropped == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / count) + 2**-16)


def test_elements_are_dropped_independently_of_their_neighbours() -> None:
    """Four numbers of 16 bits come from one word of 64: none of the four may tell anything about another."""
    dropped = (SeededDropout(1, "apart").mask((400_000,), 0.5, torch.float32) == 0).double()
    for lag in (1, 2, 3, 4, 8, 384):
        together = float((dropped[lag:] * dropped[:-lag]).mean())
        assert together == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 400_000)), lag


@given(shape=st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple), seed=st.integers(0, 2**62))
def test_any_shape_gets_a_mask_and_the_same_place_the_same_one(shape: tuple[int, ...], seed: int) -> None:
    first, again = (SeededDropout(seed, "x", 3).mask(shape, 0.5, torch.float32) for _ in range(2))
    assert first.shape == shape
    assert torch.equal(first, again)


def test_another_place_or_a_later_call_gives_another_mask() -> None:
    stream = SeededDropout(0, "dropout", 1)
    masks = [stream.mask((1000,), 0.5, torch.float32) for _ in range(2)]
    masks.append(SeededDropout(0, "dropout", 2).mask((1000,), 0.5, torch.float32))
    masks.append(SeededDropout(1, "dropout", 1).mask((1000,), 0.5, torch.float32))
    assert len({tuple(mask.tolist()) for mask in masks}) == 4


def test_the_gradient_goes_through_the_same_mask() -> None:
    values = torch.randn(50, 8, requires_grad=True)
    with SeededDropout(0, "gradient"):
        dropped = F.dropout(values, 0.3)
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values.detach(), dropped.detach())


def test_modules_and_functions_are_both_served_and_torch_draws_nothing() -> None:
    layer, values = nn.Dropout(0.5).train(), torch.ones(4, 100)
    before = torch.get_rng_state()
    with SeededDropout(0, "m"):
        by_module = layer(values)
    with SeededDropout(0, "m"):
        by_function = F.dropout(values, 0.5, training=True)
    assert torch.equal(by_module, by_function)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < float((by_module == 0).float().mean()) < 1


@pytest.mark.parametrize(
    ("p", "training", "expected"), [(0.5, False, 1.0), (0.0, True, 1.0), (1.0, True, 0.0)]
)
def test_where_nothing_is_drawn_torch_answers(p: float, training: bool, expected: float) -> None:
    with SeededDropout(0, "m"):
        assert torch.equal(F.dropout(torch.ones(9), p, training), torch.full((9,), expected))


def test_in_place_dropout_stays_in_place() -> None:
    values = torch.ones(1000)
    with SeededDropout(0, "m"):
        F.dropout(values, 0.5, inplace=True)
    assert 0 < float((values == 0).float().mean()) < 1


def test_a_real_encoder_gets_as_noisy_views_as_with_the_dropout_of_torch(encoder: Encoder) -> None:
    """Eager attention and hidden layers both draw here: the mean cosine of two views is that of torch's masks."""
    encoder.train()
    encoder.use_attention("eager")
    ids = encoder.token_ids(texts(32), 16) * 8

    def views_differ(context) -> torch.Tensor:
        with torch.no_grad():
            both = []
            for view in (0, 1):
                with context(view):
                    both.append(encoder.pooled(ids))
        return torch.cosine_similarity(*both)

    ours = views_differ(lambda view: SeededDropout(0, "views", view))
    theirs = views_differ(lambda view: seeded(0, "views", view))
    spread = float(torch.sqrt((ours.var() + theirs.var()) / len(ids)))
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=4 * spread)
    assert float(ours.mean()) < 0.999
