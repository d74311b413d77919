from __future__ import annotations

import pytest
import torch

from contrapose.encoder.pooling import POOLINGS, check_pooling, mean_of_tokens, needs_layers, pool
from contrapose.errors import UsageError


def states(seed: int = 0) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Four layers of (3 texts, 5 tokens, 4 wide), and the mask of texts with 5, 2 and 1 tokens."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(3, 5, 4, generator=generator) for _ in range(4)]
    return layers, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])


def pool_by_loops(name: str, layers: list[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    chosen = {
        "cls": [layers[-1]],
        "cls_before_pooler": [layers[-1]],
        "avg": [layers[-1]],
        "avg_first_last": [layers[1], layers[-1]],
        "avg_top2": [layers[-2], layers[-1]],
        "mask": [layers[-1]],
    }[name]
    rows = []
    for text in range(mask.shape[0]):
        if name.startswith("cls"):
            rows.append([float(value) for value in layers[-1][text, 0]])
            continue
        tokens = [token for token in range(mask.shape[1]) if mask[text, token]]
        row = []
        for dimension in range(layers[0].shape[2]):
            total = sum(float(layer[text, token, dimension]) for layer in chosen for token in tokens)
            row.append(total / len(chosen) / len(tokens))
        rows.append(row)
    return torch.tensor(rows)


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_equals_its_loop_written_reference(name: str) -> None:
    layers, mask = states()
    torch.testing.assert_close(pool(name, layers[-1], mask, layers), pool_by_loops(name, layers, mask))


@pytest.mark.parametrize("name", POOLINGS)
def test_what_stands_at_padding_has_no_influence(name: str) -> None:
    layers, mask = states()
    spoilt = [layer.masked_fill(mask[:, :, None] == 0, float("nan")) for layer in layers]
    assert torch.equal(pool(name, layers[-1], mask, layers), pool(name, spoilt[-1], mask, spoilt))


def test_the_poolings_differ_except_the_two_names_of_the_first_token() -> None:
    layers, mask = states()
    vectors = {name: pool(name, layers[-1], mask, layers) for name in POOLINGS}
    assert torch.equal(vectors["cls"], vectors["cls_before_pooler"])
    different = [vectors[name] for name in ("cls", "avg", "avg_first_last", "avg_top2")]
    for i, one in enumerate(different):
        assert all((one - other).abs().max() > 0.1 for other in different[i + 1 :])


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_sums_in_fp32_whatever_comes_in(name: str) -> None:
    layers, mask = states()
    halves = [layer.bfloat16() for layer in layers]
    got = pool(name, halves[-1], mask, halves)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, pool_by_loops(name, [layer.float() for layer in halves], mask))


def test_a_text_without_tokens_has_the_zero_vector_and_a_finite_gradient() -> None:
    tokens = torch.randn(1, 3, 4, requires_grad=True)
    mean = mean_of_tokens(tokens, torch.zeros(1, 3, dtype=torch.long))
    mean.sum().backward()
    assert torch.equal(mean, torch.zeros(1, 4))
    assert tokens.grad is not None
    assert torch.equal(tokens.grad, torch.zeros_like(tokens))


def test_gradient_of_the_mean_reaches_only_real_tokens() -> None:
    tokens = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1, 1, 0]])
    assert torch.autograd.gradcheck(lambda values: mean_of_tokens(values, mask), (tokens,))
    mean_of_tokens(tokens, mask).sum().backward()
    assert tokens.grad is not None
    assert tokens.grad[0, 2].abs().sum() == 0
    assert torch.allclose(tokens.grad[0, :2], torch.full((2, 4), 0.5, dtype=torch.float64))


def test_unknown_pooling_names_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match="avg_first_last"):
        check_pooling("avg_frist_last")


def test_inner_layers_are_asked_for_only_by_the_poolings_that_read_them() -> None:
    assert [name for name in POOLINGS if needs_layers(name)] == ["avg_first_last", "avg_top2"]
    layers, mask = states()
    with pytest.raises(ValueError, match="inner layers"):
        pool("avg_top2", layers[-1], mask)
