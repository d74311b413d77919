"""A step's loss and gradients are those of transformers' own masked language model on the same hidden words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from contrapose.contract import Supplies
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.objective import Objective
from contrapose.pretrain.step import forward_backward
from contrapose.train.step import StepPlan, TokenizedBatch, tokenize
from tests.tiny import TINY
from tests.train.runs import Place, texts
from tests.train.steps import batch_of


def ready(encoder: Encoder, head: OwnLanguageModel) -> Objective:
    objective = recipe("simcse", ["mlm"], {"mlm_weight": 1.0}).build(width=encoder.width)
    objective.attach(Supplies(width=encoder.width, networks={"language_model": head}))
    return objective


def batch(encoder: Encoder, plan: StepPlan, rows: int = 40) -> TokenizedBatch:
    """One column of text, rows of several lengths, enough of them for groups."""
    made = batch_of(rows)
    return tokenize(encoder, replace(made, texts={"text": texts(rows, fewest=2)}), plan)


def test_loss_and_gradients_equal_those_of_transformers(place: Place) -> None:
    from transformers import BertForMaskedLM

    encoder = Encoder.load(place.masked_lm, dropout=0.0, head="none").train()
    head = OwnLanguageModel.of(encoder, place.masked_lm, head="start")
    seen = []
    head.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs))
    plan = StepPlan(seed=0, max_length=16)
    tokenized = batch(encoder, plan)
    result = forward_backward(encoder, ready(encoder, head), tokenized, plan)
    ((hidden, attention, chosen),) = seen
    ids, _ = encoder.padded(tokenized.token_ids)
    assert 10 < int(chosen.sum()) < int(attention.sum()) / 3

    theirs = BertForMaskedLM.from_pretrained(place.masked_lm).train()
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    labels = ids.masked_fill(~chosen, -100)
    loss = theirs(input_ids=hidden, attention_mask=attention.long(), labels=labels).loss
    loss.backward()
    assert result.loss.total.item() == pytest.approx(loss.item(), rel=1e-5)
    ours = {f"bert.{name}": each.grad for name, each in encoder.backbone.named_parameters()}
    ours |= {name: each.grad for name, each in head.network.named_parameters()}
    compared = 0
    for name, parameter in theirs.named_parameters():
        assert ours[name] is not None, name
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)
        compared += 1
    assert compared == len(ours), "the head has weights of its own that transformers has not"


@pytest.mark.parametrize("architecture", TINY)
def test_every_architecture_gives_a_head_that_is_tied(architecture: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = TINY[architecture](tmp_path / architecture, dropout=0.0)
    encoder = Encoder.load(folder, head="none").train()
    head = OwnLanguageModel.of(encoder, folder, head="new", seed=1)
    table = encoder.backbone.get_input_embeddings().weight
    assert all(parameter is not table for parameter in head.parameters()), (
        "the encoder's table is the encoder's"
    )
    assert all(parameter.shape != table.shape for parameter in head.parameters()), "a second table is learnt"
    plan = StepPlan(seed=0, max_length=12)
    forward_backward(encoder, ready(encoder, head), batch(encoder, plan), plan)
    assert all(parameter.grad is not None for parameter in head.parameters())
    never_looked_up = len(encoder.tokenizer) - 1
    assert table.grad is not None
    assert table.grad[never_looked_up].abs().sum() > 0, "the table learns as the head's matrix too"


def test_what_is_not_finite_is_told(place: Place) -> None:
    encoder = Encoder.load(place.masked_lm, dropout=0.0, head="none").train()
    head = OwnLanguageModel.of(encoder, place.masked_lm, head="start")
    plan = StepPlan(seed=0, max_length=16)
    tokenized, objective = batch(encoder, plan), ready(encoder, head)
    assert forward_backward(encoder, objective, tokenized, plan).problem() == ""
    with torch.no_grad():
        encoder.backbone.encoder.layer[0].output.dense.bias[0] = float("nan")
    words = forward_backward(encoder, objective, tokenized, plan).problem()
    assert words == "the loss of the hidden words is not finite"
