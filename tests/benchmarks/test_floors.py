"""The operations of a transformer, counted by formula, are those that torch counts while it computes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from benchmarks.floors import (
    Rates,
    Shape,
    copy_rate,
    forward_operations,
    optimizer_bytes,
    product_rate,
    rates,
    training_operations,
)
from torch.utils.flop_counter import FlopCounterMode


def tiny(**options: Any) -> torch.nn.Module:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=40,
        max_position_embeddings=32, **options,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return BertModel(config, add_pooling_layer=False)


def tiny_gated(window: int) -> torch.nn.Module:
    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, local_attention=window, global_attn_every_n_layers=2, pad_token_id=0,
        reference_compile=False,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return ModernBertModel(config)


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (2, 7), (5, 20)])
def test_forward_and_backward_operations_of_bert_are_what_torch_counts(rows: int, length: int) -> None:
    model = tiny().eval()
    ids = torch.randint(1, 50, (rows, length))
    with FlopCounterMode(display=False) as forward:
        hidden = model(input_ids=ids).last_hidden_state
    shape = Shape.of(model.config)
    assert forward_operations(shape, [length] * rows) == forward.get_total_flops() > 0
    with FlopCounterMode(display=False) as backward:
        hidden.sum().backward()
    assert (
        training_operations(shape, [length] * rows) == forward.get_total_flops() + backward.get_total_flops()
    )


def test_operations_of_a_gated_feed_forward_are_what_torch_counts() -> None:
    model = tiny_gated(window=64).eval()
    with FlopCounterMode(display=False) as counted:
        model(input_ids=torch.randint(1, 50, (2, 9)))
    assert forward_operations(Shape.of(model.config), [9, 9]) == counted.get_total_flops() > 0


def test_a_window_bounds_what_a_token_sees() -> None:
    whole = Shape(layers=4, width=8, feed_forward=8)
    near = Shape(layers=4, width=8, feed_forward=8, window=2, whole_every=2)
    assert forward_operations(near, [2, 2]) == forward_operations(whole, [2, 2])
    assert forward_operations(whole, [10]) - forward_operations(near, [10]) == 2 * 4 * 8 * (100 - 20)


def test_padding_is_not_counted() -> None:
    shape = Shape(layers=2, width=8, feed_forward=16)
    assert forward_operations(shape, [3, 5]) == forward_operations(shape, [3]) + forward_operations(
        shape, [5]
    )


def test_distilbert_has_other_names_for_the_same() -> None:
    from transformers import DistilBertConfig

    assert Shape.of(DistilBertConfig(dim=8, n_layers=2, n_heads=2, hidden_dim=24)) == Shape(
        layers=2, width=8, feed_forward=24
    )


def test_a_floor_adds_what_no_product_hides() -> None:
    made = Rates(operations={"fp32": 1e3, "bf16": 2e3}, bandwidth=1e2)
    assert made.seconds(1e3) == 1.0
    assert made.seconds(1e3, "bf16", moved_bytes=50) == 1.0
    assert optimizer_bytes(10) == 280


def test_rates_are_measured() -> None:
    assert product_rate([(8, 4, 2)], torch.float32, 2) > 0
    assert copy_rate(2, 1 << 16) > 0
    measured = rates(Shape(layers=1, width=16, feed_forward=32), quick=True)
    assert set(measured.operations) == {"fp32", "bf16"}
    assert min(*measured.operations.values(), measured.bandwidth) > 0
