"""The optimizer's state goes through a checkpoint unharmed, and the rate ends where it should."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from contrapose.train.modules import trainable
from contrapose.train.optimizer import (
    clip,
    gradient_norm,
    learning_rate,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
)
from contrapose.train.settings import TrainingSettings


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 2))
    made[2].bias.requires_grad_(False)
    return made


def train(module: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        inputs = torch.arange(12.0).view(3, 4).sin() * (step + 1)
        module(inputs).square().sum().backward()
        optimizer.step()


def test_a_restored_optimizer_goes_on_to_the_bit() -> None:
    settings = TrainingSettings(learning_rate=0.1, weight_decay=0.01)
    whole = model()
    train(whole, make_optimizer(trainable(whole), settings), range(10))

    first = model()
    optimizer = make_optimizer(trainable(first), settings)
    train(first, optimizer, range(4))
    saved = {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer, trainable(first)).items()}
    assert {name.rsplit("/")[-1] for name in saved} == {"step", "exp_avg", "exp_avg_sq"}

    second = model()
    second.load_state_dict(first.state_dict())
    again = make_optimizer(trainable(second), settings)
    restore_optimizer(again, trainable(second), saved)
    train(second, again, range(4, 10))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_state_of_an_unknown_parameter_is_refused() -> None:
    module = model()
    with pytest.raises(KeyError):
        restore_optimizer(
            make_optimizer(trainable(module), TrainingSettings()),
            trainable(module),
            {"9.weight/step": torch.ones(())},
        )


def test_only_matrices_are_decayed_and_frozen_parameters_are_left_out() -> None:
    groups = make_optimizer(trainable(model()), TrainingSettings(weight_decay=0.5)).param_groups
    assert [(group["weight_decay"], [p.dim() for p in group["params"]]) for group in groups] == [
        (0.5, [2, 2]),
        (0.0, [1, 1, 1]),
    ]


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing_after_the_last_step() -> None:
    settings = TrainingSettings(learning_rate=0.8, warmup_steps=4, steps=12)
    rates = [learning_rate(step, 12, settings) for step in range(12)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert rates[-1] == pytest.approx(0.1)
    assert learning_rate(12, 12, settings) == 0.0
    assert max(rates) == 0.8


def test_a_run_of_one_step_has_its_whole_rate() -> None:
    assert learning_rate(0, 1, TrainingSettings(learning_rate=0.3)) == 0.3


@pytest.mark.parametrize(("limit", "length"), [(1.0, 1.0), (100.0, 10.0)])
def test_clipping_scales_all_gradients_together(limit: float, length: float) -> None:
    parameters = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    parameters[0].grad, parameters[1].grad = torch.tensor([6.0]), torch.tensor([8.0])
    norm = gradient_norm(parameters)
    assert norm.item() == 10.0
    clip(parameters, limit, norm)
    assert gradient_norm(parameters).item() == pytest.approx(length, rel=1e-5)
    assert parameters[0].grad.item() / parameters[1].grad.item() == pytest.approx(0.75)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_bad_gradient_shows_in_the_norm(bad: float) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([1.0, bad])
    assert not gradient_norm([parameter]).isfinite()
