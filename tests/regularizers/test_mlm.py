"""The masked-language term: which words are hidden, what is averaged, and where the gradient goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Tokens, Views
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.regularizers.mlm import MaskedLanguageModelling
from contrapose.testing.toys import LENGTH, MASK, supplies, tokens
from contrapose.train.api import train
from tests.reference import masked_language as reference
from tests.tiny import SENTENCES, tiny_bert

ROWS, WIDTH = 6, 5


class Spy(torch.nn.Module):
    """Remembers what the language model was asked."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.calls = network, []
        self.mask_token_id, self.vocabulary_size = network.mask_token_id, network.vocabulary_size

    def forward(self, *inputs: Tensor) -> Tensor:
        self.calls.append(inputs)
        logits: Tensor = self.network(*inputs)
        return logits


def part(**hyperparameters: Any) -> MaskedLanguageModelling:
    made = MaskedLanguageModelling(**{"mlm_weight": 1.0, "mlm_rate": 0.5, **hyperparameters})
    made.attach(supplies(made.needs, WIDTH))
    made.language_model = Spy(made.language_model)
    return made.double()


def views(step: int = 0) -> Views:
    random = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, ROWS, WIDTH, generator=random, dtype=torch.float64)
    return Views.pair(*(each.clone().requires_grad_() for each in vectors), step=step, tokens=tokens(ROWS, 3))


def stacked(batch: Views, name: str) -> Tensor:
    return torch.cat([getattr(batch.tokens[view], name) for view in ("anchor", "positive")])


def test_the_term_and_its_gradient_are_those_of_the_loops() -> None:
    made, batch = part(), views()
    term = made.terms(batch)["mlm"]
    ((hidden, attention, chosen),) = made.language_model.calls
    ids = stacked(batch, "ids_RT")
    every = made.language_model.network(hidden, attention, torch.ones_like(chosen))
    rows = every.view(2 * ROWS, LENGTH, -1)
    expected = reference.mean_loss([list(row) for row in rows], ids, chosen)
    torch.testing.assert_close(term, expected, rtol=1e-12, atol=0)
    leaves = list(made.language_model.parameters())
    ours = torch.autograd.grad(term, leaves, retain_graph=True)
    theirs = torch.autograd.grad(expected, leaves)
    for mine, loop in zip(ours, theirs, strict=True):
        assert loop.abs().sum() > 0
        torch.testing.assert_close(mine, loop, rtol=1e-10, atol=1e-14)


def test_special_tokens_and_padding_are_never_hidden_and_only_chosen_words_change() -> None:
    made, batch = part(mlm_rate=0.9), views()
    made.terms(batch)
    ((hidden, _, chosen),) = made.language_model.calls
    ids, special = stacked(batch, "ids_RT"), stacked(batch, "special_RT")
    assert not bool((chosen & special).any())
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert float((hidden[chosen] == MASK).double().mean()) > 0.5
    assert float(chosen[~special].double().mean()) > 0.7, "hardly a word was hidden"


def test_both_views_hide_words_of_their_own_and_other_steps_others() -> None:
    made = part()
    for step in (0, 0, 1):
        made.terms(views(step))
    first, again, other = (call[2] for call in made.language_model.calls)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[:ROWS], first[ROWS:])


def test_the_gradient_does_not_go_through_the_sentence_vectors() -> None:
    made, batch = part(), views()
    torch.autograd.backward(made.terms(batch)["mlm"])
    assert batch.anchor.grad is None
    assert batch.positive.grad is None


def test_weight_0_is_the_method_without_the_term() -> None:
    def total(method: str, **numbers: Any) -> Tensor:
        objective = recipe(method, (), numbers).build(width=WIDTH)
        objective.attach(supplies(objective.needs, WIDTH))
        return objective.double()(views()).total

    assert torch.equal(total("simcse-mlm", mlm_weight=0.0), total("simcse"))
    assert not torch.equal(total("simcse-mlm"), total("simcse"))


def test_the_shares_of_two_processes_add_up_to_the_whole() -> None:
    made, batch = part(), views()
    whole = made.terms(batch)["mlm"]
    shares = [
        made.terms(replace(batch, tokens=of_rows(batch, rows)))["mlm"] for rows in (slice(0, 2), slice(2, 6))
    ]
    torch.testing.assert_close(sum(shares), whole, rtol=1e-12, atol=0)


def of_rows(batch: Views, rows: slice) -> dict[str, Tokens]:
    return {
        name: replace(
            each,
            ids_RT=each.ids_RT[rows],
            attention_RT=each.attention_RT[rows],
            special_RT=each.special_RT[rows],
            rows=rows,
            words_BT=~each.special_RT,
        )
        for name, each in batch.tokens.items()
    }


def test_a_batch_without_a_hidden_word_has_no_loss() -> None:
    made, batch = part(mlm_rate=0.001), views()
    term = made.terms(batch)["mlm"]
    ((_, _, chosen),) = made.language_model.calls
    assert not bool(chosen.any())
    assert term.item() == 0.0
    assert made.statistics["mlm_accuracy"].item() == 0.0


def test_the_log_says_which_share_was_filled_in_right() -> None:
    made = part()
    with torch.no_grad():
        made.language_model.network.table.weight.copy_(10 * torch.eye(made.language_model.vocabulary_size))
    made.terms(views())
    assert 0 < made.statistics["mlm_accuracy"].item() < 1


def test_an_encoder_without_a_masked_language_head_is_refused_in_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{sentence}\n" for sentence in SENTENCES))
    model = tiny_bert(tmp_path / "bert")
    options: dict[str, Any] = {"model": model, "batch_size": 4, "steps": 1, "criterion": "none"}
    with pytest.raises(UsageError, match="has no masked-language head: make one with it by `contrapose pre"):
        train(text, method="hncse", parts=["mlm"], out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    assert (
        train(text, parts=["mlm"], language_head="new", out=tmp_path / "run", **options).summary["steps"] == 1
    )


def test_the_term_reaches_the_encoder_of_a_real_model_through_its_tokens(tmp_path: Path) -> None:
    """With the contrast's gradient away, the encoder still learns: from the hidden words."""
    from contrapose.encoder.own_language_model import OwnLanguageModel

    folder = tiny_bert(tmp_path / "mlm", masked_lm=True)
    encoder = Encoder.load(folder, head="none").train()
    made = MaskedLanguageModelling(mlm_rate=0.5)
    network = OwnLanguageModel.of(encoder, folder, head="start")
    made.attach(replace(supplies(made.needs, WIDTH), networks={"language_model": network}))
    ids, mask = encoder.padded(encoder.token_ids(SENTENCES))
    special = ~mask.bool() | torch.isin(ids, torch.tensor(encoder.tokenizer.all_special_ids))
    one = Tokens(
        ids_RT=ids,
        attention_RT=mask.bool(),
        special_RT=special,
        rows=slice(0, len(ids)),
        num_tokens=int(mask.sum()),
    )
    torch.autograd.backward(made.terms(Views(by_name={}, tokens={"anchor": one}))["mlm"])
    assert all(
        weight.grad is not None and weight.grad.abs().sum() > 0
        for name, weight in encoder.backbone.named_parameters()
        if "key.bias" not in name  # adds the same to every score of a row, which softmax does not see
    )
