"""What stands around training costs at most a quarter of it, or the floor; what gives way first is decided here."""

from __future__ import annotations

import random

import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.selection import budget as budgets
from contrapose.selection.budget import (
    FEW_SHARES,
    LEAST_ROWS,
    SHARES,
    EvaluationCost,
    EvaluationPlan,
    budget,
    plan_evaluations,
)
from contrapose.selection.cost_of_looks import cost_of_rows, fewest_rows
from contrapose.selection.held_out import texts_and_probes
from tests.train.runs import texts

#: A line of twenty words: 30 tokens, and 34 as two halves.
LINES = EvaluationCost(pairs=[34] * 1_000, whole=[30] * 1_000, fewest=40)
#: A step of 64 such lines, two views of 26 tokens each, and minilm's weights.
TOKENS_PER_STEP, MINILM = 64 * 2 * 26, 10_646_784


def total(plan: EvaluationPlan, cost: EvaluationCost, num_steps: int) -> int:
    """Tokens of all looks of a run, counted one by one."""
    pairs, whole = sum(cost.pairs[: plan.rows]), sum(cost.whole[: plan.rows])
    looks = pairs + whole  # the start
    for step in range(1, num_steps + 1):
        if step == num_steps or step % plan.eval_every == 0:
            looks += pairs + whole
    return looks + sum(pairs for share in plan.shares if 0 < share < 1)


def plan(num_steps: int, cost: EvaluationCost = LINES, **options: bool) -> EvaluationPlan:
    return plan_evaluations(
        cost,
        budget(num_steps, TOKENS_PER_STEP, MINILM),
        num_steps=num_steps,
        eval_every=min(125, -(-num_steps // 4)),
        shares=SHARES,
        **options,
    )


def test_an_ordinary_run_looks_at_a_thousand_rows_and_a_long_one_at_four_times_too() -> None:
    ordinary, longer = plan(100), plan(250)
    assert (ordinary.rows, ordinary.shares) == (1_000, SHARES)
    assert (longer.rows, longer.shares, longer.num_evaluations(250)) == (1_000, SHARES, 4)


def test_evaluations_give_way_first_then_rows_then_shares_then_rows_again() -> None:
    found = [
        plan_evaluations(LINES, allowed, num_steps=100, eval_every=25, shares=SHARES)
        for allowed in range(600_000, 0, -1_000)
    ]
    seen = list(
        dict.fromkeys(
            (one.num_evaluations(100), one.rows == 1_000, one.rows >= LEAST_ROWS, one.shares) for one in found
        )
    )
    assert seen == [
        (4, True, True, SHARES),
        (2, True, True, SHARES),
        (1, True, True, SHARES),
        (1, False, True, SHARES),
        (1, False, True, FEW_SHARES),
        (1, False, False, FEW_SHARES),
    ]
    assert found[-1].rows == LINES.fewest


def test_no_plan_costs_more_than_is_allowed_but_the_fewest_rows() -> None:
    rng = random.Random(0)
    bound = 0
    for _ in range(300):
        rows = rng.randint(40, 400)
        cost = EvaluationCost(
            pairs=[rng.randint(0, 300) for _ in range(rows)],
            whole=[rng.randint(2, 256) for _ in range(rows)],
            fewest=40,
        )
        steps, allowed = rng.randint(1, 300), rng.randint(1_000, 1_000_000)
        every = rng.randint(1, steps)
        one = plan_evaluations(cost, allowed, num_steps=steps, eval_every=every, shares=SHARES)
        bound += one.rows < rows
        assert one.rows == 40 or total(one, cost, steps) <= allowed
    assert bound > 50, "hardly any plan was bound by what is allowed"


def test_what_the_user_asked_for_does_not_give_way() -> None:
    for steps in (1, 6, 100):
        kept = plan(steps, fixed_interval=True, fixed_shares=True)
        assert (kept.eval_every, kept.shares) == (min(125, -(-steps // 4)), SHARES)
        assert kept.rows >= LINES.fewest
    alone = plan_evaluations(LINES, 1.0, num_steps=10, eval_every=10, shares=(0.3,))
    assert (alone.shares, alone.between) == ((0.3,), 1)


def test_a_larger_model_has_a_smaller_floor_and_the_same_share_of_training() -> None:
    assert budget(1, 1, 10 * MINILM) == pytest.approx(budget(1, 1, MINILM) / 10)
    assert budget(10_000, 5_000, 10 * MINILM) == budget(10_000, 5_000, MINILM)


def test_a_short_run_of_minilm_looks_at_the_floor_at_most(encoder: Encoder) -> None:
    """Six steps of sixteen rows: the promise that looking costs seconds, whatever the length of the texts."""
    allowed = budget(6, 16 * 2 * 32, MINILM)
    assert allowed == pytest.approx(budgets.FLOOR / MINILM)
    assert allowed <= 10 * 2 * 3_800, "ten seconds on two cores that encode 3,800 tokens a second each"
    for length in (10, 40, 60):
        cost = cost_of_rows(encoder, {"text": texts(300, seed=length, fewest=length, most=length)})
        assert min(cost.whole) >= length
        assert min(cost.pairs) >= length
        one = plan_evaluations(cost, allowed, num_steps=6, eval_every=2, shares=SHARES)
        assert 40 < one.rows <= 300
        assert total(one, cost, 6) <= allowed


def test_the_fewest_rows_are_enough_for_a_probe() -> None:
    short, long = texts(60, fewest=3, most=5), texts(200, seed=1)
    assert fewest_rows({"text": long}) == 40
    mixed = {"text": [*short, *long]}
    rows = fewest_rows(mixed)
    assert rows == 160, "forty rows without halves are doubled until there are enough"
    assert fewest_rows({"text": short}) == 60


def test_a_given_negative_is_neither_looked_at_nor_counted(encoder: Encoder) -> None:
    """With three columns, the texts are the second one, as with two."""
    anchor, positive, negative = (texts(80, seed=seed) for seed in (1, 2, 3))
    two = {"anchor": anchor, "positive": positive}
    three = {**two, "negative": negative}
    assert texts_and_probes(three) == texts_and_probes(two)
    assert texts_and_probes(three)[0] == positive
    assert cost_of_rows(encoder, three) == cost_of_rows(encoder, two)
    assert cost_of_rows(encoder, {"text": positive}).whole == [
        len(ids) for ids in encoder.token_ids(positive)
    ]
