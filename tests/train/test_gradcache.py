"""Gradient caching changes memory and nothing else: same loss, same gradients, dropout replayed to the bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Views
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.heads import build_head
from contrapose.objectives.catalogue import all_methods, recipe
from contrapose.train import gradcache
from contrapose.train.memory import peak_bytes
from contrapose.train.step import StepPlan, StepResult, forward_backward
from tests.train.methods import ready, with_files, with_labels
from tests.train.runs import Place
from tests.train.steps import assert_same_gradients as assert_equal
from tests.train.steps import gradients, tokenized

WIDTH = 32
#: The usual 0.05 would multiply the rounding of fp32 by 20.
NUMBERS = {"temperature": 1.0}
#: Sums of fp32 in another order, over two layers.
ROUNDING = 3e-6


def step(encoder: Encoder, plan: StepPlan, rows: int = 32, method: str = "hncse-hnm") -> StepResult:
    encoder.zero_grad()
    return forward_backward(
        encoder, recipe(method, (), NUMBERS).build(width=WIDTH), tokenized(encoder, rows, plan), plan
    )


def plan(**options: Any) -> StepPlan:
    return StepPlan(seed=7, max_length=16, **options)


@pytest.mark.parametrize("chunk_size", [1, 5, 16, 63, 64, 1000])
def test_any_chunk_size_gives_the_same_loss_and_gradients(calm_encoder: Encoder, chunk_size: int) -> None:
    whole = step(calm_encoder, plan())
    expected = gradients(calm_encoder)
    chunked = step(calm_encoder, plan(chunk_size=chunk_size))
    assert chunked.loss.total.item() == pytest.approx(whole.loss.total.item(), rel=1e-6, abs=1e-6)
    assert_equal(expected, gradients(calm_encoder), within=ROUNDING)


def test_dropout_is_replayed_exactly(encoder: Encoder) -> None:
    kept = step(encoder, plan(num_groups=4))  # four groups of 16, graphs kept
    expected = gradients(encoder)
    assert not torch.equal(kept.views.anchor, kept.views.positive), "dropout was not active"
    for kept_chunks in (0, 1, 3, 9):
        cached = step(
            encoder, plan(chunk_size=16, kept_chunks=kept_chunks)
        )  # the same groups, computed twice
        assert torch.equal(kept.views.anchor, cached.views.anchor)
        assert_equal(expected, gradients(encoder))


def test_bf16_weights_made_once_for_many_chunks_give_the_same_bits(encoder: Encoder) -> None:
    step(encoder, plan(num_groups=4, bf16=True))
    expected = gradients(encoder)
    for kept_chunks in (0, 2):
        step(encoder, plan(chunk_size=16, bf16=True, kept_chunks=kept_chunks))
        assert_equal(expected, gradients(encoder))


def test_a_replay_with_other_masks_would_be_noticed(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(encoder, plan(num_groups=4))
    expected = gradients(encoder)
    send = gradcache.send_gradient

    def send_shifted(encode: Callable[[int], Tensor], pooled: Any, chunks: Any, *others: Any) -> None:
        def unseeded(number: int) -> Tensor:
            return encoder.pooled(_ids(encoder, chunks[number]))

        send(unseeded, pooled, chunks, *others)

    monkeypatch.setattr("contrapose.train.step.send_gradient", send_shifted)
    step(encoder, plan(chunk_size=16))
    with pytest.raises(AssertionError):
        assert_equal(expected, gradients(encoder), within=1e-3)


@pytest.mark.parametrize("method", [*all_methods(), *with_files(), *with_labels()])
@pytest.mark.parametrize("chunk_size", [5, 16])
def test_every_method_has_the_same_loss_and_gradients_in_chunks(
    place: Place, calm_encoder: Encoder, method: str, chunk_size: int
) -> None:
    """Those that need more than vectors too: inner layers, companions, tokens."""
    losses, all_gradients = [], []
    for size in (None, chunk_size):
        made = ready(method, calm_encoder, place.model, plan(chunk_size=size), temperature=1.0)
        made.modules.zero_grad()
        result = forward_backward(
            calm_encoder, made.objective, tokenized(calm_encoder, 32, made.plan), made.plan
        )
        losses.append(result.loss.total.item())
        all_gradients.append(gradients(made.modules))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6, abs=1e-6)
    assert_equal(*all_gradients, within=ROUNDING)


def _ids(encoder: Encoder, positions: Any) -> list[list[int]]:
    token_ids = tokenized(encoder, 32, plan()).token_ids
    return [token_ids[position] for position in positions]


def test_nothing_is_computed_twice_without_caching(encoder: Encoder) -> None:
    counted: list[int] = []
    pooled = encoder.pooled
    encoder.pooled = lambda ids, *hidden: (counted.append(len(ids)), pooled(ids, *hidden))[1]  # type: ignore
    step(encoder, plan(chunk_size=64))
    assert sum(counted) == 64
    counted.clear()
    step(encoder, plan(chunk_size=16))
    assert sum(counted) == 64 + 3 * 16, "the first chunk keeps its graph, the other three are computed again"
    counted.clear()
    step(encoder, plan(chunk_size=16, kept_chunks=3))
    assert sum(counted) == 64 + 16


def test_the_batch_norm_of_a_head_sees_the_whole_batch(calm_encoder: Encoder) -> None:
    calm_encoder.head = build_head("mlp-bn", WIDTH, seed=0)
    calm_encoder.train()
    seen: list[int] = []
    calm_encoder.head[1].register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
    whole = step(calm_encoder, plan())
    expected = gradients(calm_encoder)
    assert any(name.startswith("head.") for name in expected)
    chunked = step(calm_encoder, plan(chunk_size=10))
    assert seen == [64, 64]
    assert chunked.loss.total.item() == pytest.approx(whole.loss.total.item(), rel=1e-6, abs=1e-6)
    assert_equal(expected, gradients(calm_encoder), within=2 * ROUNDING)


@dataclass(frozen=True)
class Agreement:
    """A loss that needs no more than the vectors: no table of rows against rows."""

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    shares: frozenset[str] = frozenset()


def peak_of_step(encoder: Encoder, rows: int, chosen: StepPlan) -> int:
    batch = tokenized(encoder, rows, chosen)
    encoder.zero_grad()

    def agree(views: Views) -> Agreement:
        return Agreement(-(views.anchor * views.positive).sum())

    return peak_bytes(lambda: forward_backward(encoder, agree, batch, chosen), encoder.device)


def test_memory_grows_with_the_batch_by_its_vectors_alone(encoder: Encoder) -> None:
    few, many, chosen = 64, 512, plan(chunk_size=16)
    vectors = 4 * 2 * WIDTH * (many - few)  # bytes of the vectors of both views that came on top
    grown = peak_of_step(encoder, many, chosen) - peak_of_step(encoder, few, chosen)
    assert grown <= 16 * vectors  # they are gathered, go through the head, and have gradients
    whole = peak_of_step(encoder, many, plan()) - peak_of_step(encoder, few, plan())
    assert whole > 20 * max(grown, vectors), "the graphs of a batch at once are far larger"


def test_only_the_graphs_that_are_kept_are_in_memory(encoder: Encoder) -> None:
    peaks = [peak_of_step(encoder, 128, plan(chunk_size=16, kept_chunks=kept)) for kept in (1, 4, 16)]
    alone = peak_of_step(encoder, 8, plan())
    assert peaks[0] < 1.6 * alone
    assert peaks[0] < 0.5 * peaks[1] < 0.25 * peaks[2]
