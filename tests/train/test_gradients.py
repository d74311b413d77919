"""The word table's gradient is kept from step to step; what the optimizer sees must be what torch would give it."""

from __future__ import annotations

import torch

from contrapose.encoder.encoder import Encoder
from contrapose.train.gradients import clear_gradients, sparse_lookups, word_table


def backward(encoder: Encoder, groups: list[list[list[int]]]) -> None:
    # Not a sum: the last layer norm keeps sums and lengths, and would leave a gradient of rounding errors only.
    direction = torch.linspace(-1, 1, encoder.width).cos()
    for ids in groups:
        (encoder.pooled(ids) * direction).square().sum().backward()


def some_ids(encoder: Encoder) -> list[list[list[int]]]:
    words = encoder.token_ids(["the cat sat", "the dog runs in the park", "a b c d"], 16)
    return [words, words[1:], words[:1]]


def test_the_gradient_is_that_of_a_dense_lookup(calm_encoder: Encoder) -> None:
    encoder = calm_encoder
    groups = some_ids(encoder)
    backward(encoder, groups)
    dense = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    with sparse_lookups(encoder.backbone):
        backward(encoder, groups)
    ours = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    assert ours.keys() == dense.keys()
    for name, gradient in ours.items():
        assert not gradient.is_sparse
        scale = float(dense[name].abs().max())
        torch.testing.assert_close(gradient, dense[name], rtol=1e-4, atol=1e-6 * scale)


def test_clearing_keeps_the_memory_and_none_of_the_numbers(encoder: Encoder) -> None:
    table = word_table(encoder.backbone)
    assert table is not None
    with sparse_lookups(encoder.backbone):
        backward(encoder, some_ids(encoder))
    kept = table.weight.grad
    assert kept is not None
    assert float(kept.abs().sum()) > 0
    clear_gradients(encoder, encoder.backbone)
    assert table.weight.grad is kept
    assert float(kept.abs().sum()) == 0
    assert [
        name for name, p in encoder.named_parameters() if p.grad is not None and p is not table.weight
    ] == []


def test_outside_of_a_step_the_table_is_as_it_was(encoder: Encoder) -> None:
    table = word_table(encoder.backbone)
    assert table is not None
    with sparse_lookups(encoder.backbone):
        assert table.sparse
    assert not table.sparse


def test_a_frozen_table_is_left_alone(encoder: Encoder) -> None:
    table = encoder.backbone.get_input_embeddings()
    table.weight.requires_grad_(False)
    assert word_table(encoder.backbone) is None
    with sparse_lookups(encoder.backbone):
        backward(encoder, some_ids(encoder))
        assert not table.sparse
    assert table.weight.grad is None
    clear_gradients(encoder, encoder.backbone)
