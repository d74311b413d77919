from __future__ import annotations

import pytest
import torch

from contrapose.encoder.heads import BERT_INITIAL_STD, HEADS, build_head
from contrapose.errors import UsageError


@pytest.mark.parametrize("name", [name for name in HEADS if name != "none"])
def test_the_seed_decides_the_head_and_the_global_random_state_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    first, again, other = build_head(name, 16, 1), build_head(name, 16, 1), build_head(name, 16, 2)
    assert torch.equal(torch.get_rng_state(), before)
    assert first is not None
    assert again is not None
    assert other is not None
    states = first.state_dict(), again.state_dict(), other.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert any(not torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_linear_tanh_is_the_written_formula_and_starts_like_bert() -> None:
    head = build_head("linear-tanh", 64)
    assert isinstance(head, torch.nn.Sequential)
    linear = head[0]
    x = torch.randn(5, 64)
    torch.testing.assert_close(head(x), torch.tanh(x @ linear.weight.T + linear.bias))
    assert linear.bias.abs().sum() == 0
    assert abs(linear.weight.std().item() - BERT_INITIAL_STD) < 0.002


def test_mlp_bn_centres_and_scales_its_output_over_the_batch() -> None:
    head = build_head("mlp-bn", 8)
    assert isinstance(head, torch.nn.Sequential)
    assert head[0].weight.shape == (16, 8)
    out = head.train()(torch.randn(32, 8) * 3 + 1)
    torch.testing.assert_close(out.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, unbiased=False), torch.ones(8), atol=1e-3, rtol=0)
    assert [name for name, _ in head.named_parameters()] == ["0.weight", "1.weight", "1.bias", "3.weight"]


def test_none_is_no_module_and_an_unknown_head_is_refused() -> None:
    assert build_head("none", 8) is None
    with pytest.raises(UsageError, match="linear-tanh"):
        build_head("linear-tan", 8)
