"""The glue: nothing that a part holds or says is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from contrapose.contract import Columns, Companion, Needs, Part, ScoreTable, Supplies, Views
from contrapose.errors import UsageError
from contrapose.negatives.hard_pairs import HardNegativePairs
from contrapose.negatives.mixing import MixedNegatives
from contrapose.negatives.positive_mixtures import PositiveMixtures
from contrapose.negatives.queue import Queue
from contrapose.objectives.objective import Objective
from contrapose.objectives.simcse import simcse
from contrapose.positives.hard_pairs import HardPositivePairs
from contrapose.positives.mixing import MixedPositive


class Drifting(Part):
    """Changes the positive, with a buffer, a parameter, and a statistic."""

    name, idea = "drifting", "The positive drifts."
    drift: Tensor

    def __init__(self, statistic: str = "drifted") -> None:
        super().__init__()
        self.register_buffer("drift", torch.tensor([1.0, 0.0]))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.statistic = statistic

    def views(self, views: Views) -> Views:
        self.report(**{self.statistic: self.drift.sum()})
        return views.with_views(positive=views.positive + self.scale * self.drift)


class Fixed(Part):
    """One column for all rows, with a statistic."""

    name, idea = "fixed", "One more column."

    def __init__(self, origin: str = "fixed", statistic: str = "fixed_mean") -> None:
        super().__init__()
        self.origin, self.statistic = origin, statistic

    def columns(self, views: Views) -> Iterator[Columns]:
        self.report(**{self.statistic: torch.tensor(1.0)})
        yield Columns(origin=self.origin, vectors=torch.ones(1, 2))


class FixedToo(Fixed):
    name = "fixed-too"


class Penalty(Part):
    """A term of the loss that sees the positive as the encoder gave it, and what another part added."""

    name, idea = "penalty", "Half of the positives' mean."

    def __init__(self, term: str = "penalty") -> None:
        super().__init__()
        self.term, self.seen = term, frozenset[str]()

    def terms(self, views: Views) -> dict[str, Tensor]:
        self.seen = frozenset(views.by_name)
        return {self.term: 0.5 * views.positive.mean()}


class Strict(Part):
    """Strikes out all that it may."""

    name, idea = "strict", "No negatives."

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        return table.without(torch.ones_like(table.valid_BC))


VIEWS = Views.pair(torch.eye(2), torch.eye(2))


def test_what_any_part_holds_is_saved_moved_and_given_to_the_optimizer() -> None:
    objective = Objective(simcse, {}, [Fixed(), Drifting()])
    assert set(objective.state_dict()) == {"parts.drifting.drift", "parts.drifting.scale"}
    assert [name for name, _ in objective.named_parameters()] == ["parts.drifting.scale"]
    assert objective.double().parts["drifting"].drift.dtype == torch.float64


def test_a_part_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice: fixed, fixed"):
        Objective(simcse, {}, [Fixed(), Fixed()])


def test_two_parts_with_columns_of_one_origin_are_refused() -> None:
    with pytest.raises(ValueError, match="'fixed'"):
        Objective(simcse, {}, [Fixed(), FixedToo(statistic="other")])(VIEWS)
    both = Objective(simcse, {}, [Fixed(), FixedToo("more", "other")])(VIEWS)
    assert set(both.outcome.table.origins) == {"batch", "fixed", "more"}


@pytest.mark.parametrize("name", ["fixed_mean", "accuracy"])
def test_two_statistics_of_one_name_are_refused(name: str) -> None:
    objective = Objective(simcse, {}, [Fixed(statistic=name), Drifting("fixed_mean")])
    with pytest.raises(ValueError, match=f"'{name}'"):
        objective(VIEWS)
    assert objective(VIEWS, with_stats=False).stats == {}


def test_terms_are_added_to_the_contrast_and_see_what_the_encoder_gave() -> None:
    plain = Objective(simcse, {}, [Drifting()])(VIEWS)
    more = Objective(simcse, {}, [Drifting(), Penalty()])(VIEWS)
    assert set(more.terms) == {"contrast", "penalty"}
    assert torch.equal(more.terms["contrast"], plain.total)
    assert more.terms["penalty"].item() == 0.25, "the drifted positive has another mean"
    torch.testing.assert_close(more.total, plain.total + 0.25)


def test_a_term_of_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="two parts report the term 'contrast'"):
        Objective(simcse, {}, [Penalty("contrast")])(VIEWS)


def test_a_filter_cannot_strike_out_or_weigh_the_positive() -> None:
    loss = Objective(simcse, {}, [Fixed(), Strict()])(VIEWS)
    assert loss.outcome.table.valid_BC.tolist() == [[True, False, False], [False, True, False]]
    assert loss.total.item() == 0.0
    table = loss.outcome.table.weighted(torch.ones(2, 3)).weighted(torch.ones(2, 3))
    assert table.log_weight_BC is not None
    assert table.log_weight_BC.tolist() == [[0.0, 2.0, 2.0], [2.0, 0.0, 2.0]]


def test_needs_are_the_union_over_the_parts_and_two_models_of_one_name_are_refused() -> None:
    one, other = Fixed(), Penalty()
    one.needs = Needs(layers=(-3,), companions=(Companion(name="teacher"),))
    other.needs = Needs(layers=(-2,), tokens=True, companions=(Companion(name="teacher"),))
    needs = Objective(simcse, {}, [one, other], Needs(pooled=True)).needs
    assert needs == Needs(layers=(-2, -3), tokens=True, pooled=True, companions=(Companion(name="teacher"),))
    other.needs = Needs(companions=(Companion(name="teacher", source="another"),))
    with pytest.raises(UsageError, match="'teacher' and mean different ones"):
        Objective(simcse, {}, [one, other])


def test_every_part_is_handed_the_supplies_and_refreshed_at_its_steps() -> None:
    calls: list[object] = []

    class Recording(Fixed):
        def attach(self, supplies: Supplies) -> None:
            calls.append(supplies.width)

        def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
            calls.append((step, row_ids.tolist(), tuple(vectors_ND.shape)))

    part = Recording()
    part.refresh_every = 3
    objective = Objective(simcse, {}, [part, Penalty()])
    objective.attach(Supplies(width=2))
    assert [step for step in range(8) if objective.refreshes_at(step)] == [0, 3, 6]
    for step in (3, 4):
        objective.refresh(step, torch.arange(2), torch.eye(2))
    assert calls == [2, (3, [0, 1], (2, 2))]


def test_a_queue_saved_by_the_first_version_is_taken_up() -> None:
    """Then sources were numbered, and mixers that are no module had no place among them."""
    parts = [MixedPositive(), Queue(width=2, queue_size=3)]
    objective = Objective(simcse, {}, parts)
    old = {
        "sources.0.vectors_MD": torch.ones(3, 2),
        "sources.0.text_ids_M": torch.tensor([4, 5, 6]),
        "sources.0.num_seen": torch.tensor(9),
    }
    objective.load_state_dict(old)
    assert int(parts[1].num_seen) == 9
    assert parts[1].text_ids_M.tolist() == [4, 5, 6]
    assert set(old) == {"sources.0.vectors_MD", "sources.0.text_ids_M", "sources.0.num_seen"}


#: Every row but the last has two false negatives; the last one is left a single negative.
STRUCK = torch.tensor(
    [
        [0, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 0, 1],
        [1, 0, 0, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
    ],
    dtype=torch.bool,
)


class Sieve(Part):
    """Strikes fixed pairs of rows out of the batch."""

    name, idea = "sieve", "These are no negatives."

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        self.asked.append(list(table.origins))
        struck_BC = torch.zeros_like(table.valid_BC)
        struck_BC[:, table.origins["batch"]] = STRUCK[: views.num_rows, : views.num_rows]
        self.report(sieved=struck_BC.sum())
        return table.without(struck_BC)


MIXERS: list[Callable[[], Part]] = [
    lambda: MixedNegatives(width=4, k=4, pairs="all"),
    lambda: MixedNegatives(width=4, k=2, num_mixtures=3, raw_vectors=True),
    HardNegativePairs,
    HardPositivePairs,
    lambda: PositiveMixtures(detach_mixture=False),
    lambda: PositiveMixtures(detach_mixture=False, mixture_scope="all", mixed_anchors=True),
    lambda: MixedPositive(columns="own", near_mode="fixed", near_weight=0.5, gap_threshold=1.0),
]


def pushed(mixer: Part, step: int) -> Tensor:
    """(B, B) bool: whether the loss of row i moves the positive of row j."""
    random = torch.Generator().manual_seed(step)
    anchor, noise = torch.randn(2, 6, 4, generator=random, dtype=torch.float64)
    positive = (anchor + 0.5 + noise).requires_grad_()
    objective = Objective(simcse, {"temperature": 0.5}, [mixer, Sieve()])
    loss_B = objective(Views.pair(anchor, positive, step=step)).outcome.loss_B
    gradients = [torch.autograd.grad(loss, positive, retain_graph=True)[0] for loss in loss_B]
    return torch.stack(gradients).abs().sum(-1) > 0


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("step", range(3))
def test_a_row_does_not_move_what_a_filter_struck_out_for_it_as_a_part_of_a_mixture_either(
    mixer: Callable[[], Part], step: int
) -> None:
    moved_BB = pushed(mixer(), step)
    assert not moved_BB[STRUCK].any()
    assert moved_BB[~STRUCK].float().mean() > 0.5, "nothing is tested"


@pytest.mark.parametrize("mixer", MIXERS)
def test_without_the_filters_word_every_mixture_would_hold_what_was_struck_out(
    mixer: Callable[[], Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail."""
    monkeypatch.setattr(Objective, "_after_filters", lambda self, views: views)
    assert any(pushed(mixer(), step)[STRUCK].any() for step in range(3))


def test_filters_are_asked_first_only_where_another_part_could_mix_and_never_change_the_views_of_a_step() -> (
    None
):
    alone, beside = Sieve(), Sieve()
    views = Views.pair(torch.eye(6), torch.eye(6))
    plain = Objective(simcse, {}, [alone, Penalty()])(views)
    assert alone.asked == [["batch"]]
    assert torch.equal(plain.outcome.table.valid_BC, ~STRUCK)
    more = Objective(simcse, {}, [MixedNegatives(width=6, k=2), beside])(views)
    assert beside.asked == [["batch"], ["batch", "mixed"]]
    assert more.stats["sieved"] == STRUCK.sum()
    assert views.struck_out is None
