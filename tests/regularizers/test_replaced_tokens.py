"""DiffCSE's second term: what is hidden, what is written, what counts, and where the gradient goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Tokens, Views
from contrapose.objectives.catalogue import recipe
from contrapose.regularizers.replaced_tokens import ReplacedTokens, detection_loss, draw_words
from contrapose.testing.toys import MASK, PADDING, VOCABULARY, supplies, tokens
from tests.reference import replaced_tokens as reference

ROWS, WIDTH = 6, 5


def part(**hyperparameters: Any) -> ReplacedTokens:
    made = ReplacedTokens(replaced_weight=1.0, **hyperparameters)
    made.attach(supplies(made.needs, WIDTH))
    return made.double()


def views(step: int = 0) -> Views:
    random = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, ROWS, WIDTH, generator=random, dtype=torch.float64)
    return Views.pair(*(each.clone().requires_grad_() for each in vectors), step=step, tokens=tokens(ROWS, 3))


def stacked(batch: Views, name: str) -> Tensor:
    return torch.cat([getattr(batch.tokens[view], name) for view in ("anchor", "positive")])


class Spy(torch.nn.Module):
    """Remembers what a network was given and gave."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.calls = network, []
        self.mask_token_id, self.vocabulary_size = MASK, VOCABULARY

    def forward(self, *inputs: Any) -> Any:
        result = self.network(*inputs)
        self.calls.append((*inputs, result))
        return result


def spied(**hyperparameters: Any) -> ReplacedTokens:
    made = part(**hyperparameters)
    made.generator, made.discriminator = Spy(made.generator), Spy(made.discriminator)
    return made


@pytest.mark.parametrize("replace_scope", ["all", "masked"])
@pytest.mark.parametrize("loss_scope", ["all", "nonpad"])
def test_the_term_and_its_gradient_are_those_of_the_loops(replace_scope: str, loss_scope: str) -> None:
    made, batch = spied(replace_scope=replace_scope, loss_scope=loss_scope, masking_ratio=0.5), views()
    term = made.terms(batch)["replaced_tokens"]
    ids, attention = stacked(batch, "ids_RT"), stacked(batch, "attention_RT")
    given = torch.cat([call[0] for call in made.generator.calls])
    logits = torch.cat([call[2] for call in made.generator.calls])
    new, _, vectors, states = made.discriminator.calls[0]
    assert torch.equal(vectors, torch.cat([batch.anchor, batch.positive]))
    if replace_scope == "all":
        assert new.tolist() == reference.written(ids, attention, logits, None)
    else:
        assert bool(((new == ids) | (given != ids) | stacked(batch, "special_RT").logical_not()).all())
    scores = made.head(states)
    expected = reference.detection(list(scores), ids, new, attention, nonpad=loss_scope == "nonpad")
    torch.testing.assert_close(term, expected, rtol=1e-12, atol=0)
    leaves = [batch.anchor, batch.positive, made.head.weight, *made.discriminator.parameters()]
    ours = torch.autograd.grad(term, leaves, retain_graph=True)
    theirs = torch.autograd.grad(expected, leaves)
    for mine, loop in zip(ours, theirs, strict=True):
        assert loop.abs().sum() > 0
        torch.testing.assert_close(mine, loop, rtol=1e-10, atol=1e-14)


def test_the_gradient_reaches_the_encoder_through_the_sentence_vector_alone() -> None:
    made, batch = part(), views()
    with torch.no_grad():
        for network in (made.discriminator,):
            network.words.weight.zero_()
    cut = replace(batch, by_name={name: view.detach() for name, view in batch.by_name.items()})
    assert made.terms(batch)["replaced_tokens"].requires_grad
    torch.autograd.backward(made.terms(cut)["replaced_tokens"])
    assert batch.anchor.grad is None
    assert batch.positive.grad is None
    torch.autograd.backward(made.terms(batch)["replaced_tokens"])
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in (batch.anchor, batch.positive))
    assert all(weight.grad is None for weight in made.generator.parameters()), (
        "the generator is never trained"
    )


def test_weight_0_is_the_method_without_the_term() -> None:
    def total(method: str, **numbers: Any) -> Tensor:
        objective = recipe(method, (), numbers).build(width=WIDTH)
        objective.attach(supplies(objective.needs, WIDTH))
        return objective.double()(views()).total

    assert torch.equal(total("diffcse", replaced_weight=0.0), total("simcse"))
    assert not torch.equal(total("diffcse"), total("simcse"))


def test_special_tokens_and_padding_are_never_hidden_and_the_first_token_never_changes() -> None:
    made, batch = spied(masking_ratio=0.99), views()
    made.terms(batch)
    ids, special = stacked(batch, "ids_RT"), stacked(batch, "special_RT")
    given = torch.cat([call[0] for call in made.generator.calls])
    new = made.discriminator.calls[0][0]
    assert torch.equal(given[special], ids[special])
    assert (given[~special] != ids[~special]).float().mean() > 0.5, "nothing was hidden"
    assert torch.equal(new[:, 0], ids[:, 0])
    assert bool((new[~stacked(batch, "attention_RT")] == PADDING).all())


def test_words_are_drawn_with_the_probabilities_of_the_language_model() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(1, 30_000, 3)
    draws = torch.rand(1, 30_000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(draw_words(logits, draws).flatten(), minlength=3) / 30_000
    assert counts.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert draw_words(logits[:, :1], torch.ones(1, 1)).item() == 2


def test_a_draw_and_the_most_probable_word_differ() -> None:
    sampled, greedy, batch = spied(decode="sample"), spied(), views()
    sampled.terms(batch)
    greedy.terms(batch)
    assert not torch.equal(sampled.discriminator.calls[0][0], greedy.discriminator.calls[0][0])


def test_an_undecided_discriminator_has_the_loss_log_2() -> None:
    changed = torch.tensor([[True, False, False]])
    assert detection_loss(torch.zeros(1, 3, 2), changed, None, 3).item() == pytest.approx(0.693147, abs=1e-6)


def test_the_shares_of_two_processes_add_up_to_the_whole() -> None:
    for options in ({}, {"loss_scope": "nonpad"}, {"decode": "sample"}):
        made, batch = part(**options), views()
        whole = made.terms(batch)["replaced_tokens"]
        shares = [
            made.terms(replace(batch, tokens=of_rows(batch, rows))) for rows in (slice(0, 3), slice(3, 6))
        ]
        added = sum(share["replaced_tokens"] for share in shares)
        torch.testing.assert_close(added, whole, rtol=1e-12, atol=0)


def of_rows(batch: Views, rows: slice) -> dict[str, Tokens]:
    return {
        name: replace(
            each,
            ids_RT=each.ids_RT[rows],
            attention_RT=each.attention_RT[rows],
            special_RT=each.special_RT[rows],
            rows=rows,
        )
        for name, each in batch.tokens.items()
    }


def test_other_steps_hide_other_words() -> None:
    made = spied()
    made.terms(views(step=0))
    made.terms(views(step=0))
    made.terms(views(step=1))
    first, again, other = (made.generator.calls[number][0] for number in (0, 2, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_log_says_how_many_words_were_changed_and_told() -> None:
    made = part()
    made.terms(views())
    assert set(made.statistics) == {"replaced_share", "replaced_told", "kept_told"}
    assert 0 < float(made.statistics["replaced_share"]) <= 1
