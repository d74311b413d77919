"""One tree of modules: what learns, what is put back after a skipped step, what is held and never trained."""

from __future__ import annotations

import torch
from torch import nn

from contrapose.encoder.frozen import FrozenNetwork
from contrapose.train.modules import module_tree, put_back, running_statistics, trainable


def test_the_tree_has_the_weights_of_all_its_modules_that_learn() -> None:
    still = nn.Linear(2, 2).requires_grad_(False)
    tree = module_tree(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 1, bias=False), still))
    assert list(trainable(tree)) == ["encoder.weight", "encoder.bias", "objective.0.weight"]


def test_a_skipped_step_leaves_no_trace_in_running_statistics() -> None:
    tree = module_tree(nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    before = [buffer.clone() for buffer in running_statistics(tree)]
    state = {name: value.clone() for name, value in tree.state_dict().items()}
    tree["objective"](tree["encoder"](torch.randn(4, 3)))
    changed = [name for name, value in tree.state_dict().items() if not torch.equal(value, state[name])]
    assert len(changed) == len(before) == 6
    put_back(tree, before)
    assert all(torch.equal(value, state[name]) for name, value in tree.state_dict().items())


def test_a_frozen_network_moves_and_is_neither_trained_nor_saved_nor_put_in_training_mode() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    holder = nn.ModuleDict({"frozen": FrozenNetwork(network), "head": nn.Linear(2, 2)})
    holder.train()
    holder.to(torch.float64)
    assert network[0].weight.dtype == torch.float64
    assert not any(module.training for module in network.modules())
    assert list(holder.state_dict()) == ["head.weight", "head.bias"]
    assert list(trainable(holder)) == ["head.weight", "head.bias"]
    inputs = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    assert not holder["frozen"](inputs).requires_grad
