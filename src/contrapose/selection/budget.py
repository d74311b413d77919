"""How often held-out text is looked at, and how much of it: what stands around training may not outweigh training.

Costs are counted in tokens times weights, never in seconds, so every machine, and every continuation of a run, plans
the same and ends with the same bits:

    training   steps x tokens of a step x TRAINING_COST                  forward, backward and update
    a look     tokens of the rows that are looked at
    looks      the pretrained model, each evaluation, each blend that is tried; the same weights are looked at once

All looks together may cost a quarter of training, or ``FLOOR`` where that is more. Where they would cost more, they
give way in this order, until they fit; what the user asks for (--eval-every, --patience, --blend auto) does not.

    1. evaluations, down to the one at the end: in a run so short, one step is much like the next, and each evaluation
       that finds a new best writes a checkpoint too
    2. rows, down to LEAST_ROWS: a verdict over a quarter of the rows has intervals twice as wide
    3. shares of the blend, down to 0, 1/2 and 1: the score is a smooth curve over them
    4. rows, down to the fewest that a look can be made of
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

#: All looks together, as a share of training.
SHARE_OF_TRAINING = 0.25
#: A training step on a token, in encodings of a token: minilm on one thread took 3.0 in fp32 and 2.8 in bf16.
TRAINING_COST = 3.0
#: Tokens times weights (without embeddings) that looks may always cost: 50,000 tokens of minilm, some 7 s on two cores
#: in fp32 (one core encodes about 3,800 tokens a second).
FLOOR = 50_000 * 10_650_000
#: Fewer rows than this are looked at only where fewer shares are not enough; topics are counted among so many.
LEAST_ROWS = 200
#: Shares of the trained weights that ``--blend auto`` chooses from; 0 is the pretrained model.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FEW_SHARES = (0.0, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class EvaluationCost:
    """Tokens of each row (N,): of its pairs, and of its whole text besides; ``fewest`` rows make a look.

    An encoder between two others is looked at through the pairs alone.
    """

    pairs: Sequence[int]
    whole: Sequence[int]
    fewest: int


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """rows: how many are looked at; eval_every: steps between evaluations; shares: the blends to choose from.

    in_steps: a look takes as long as so many steps, about.
    """

    rows: int
    eval_every: int
    shares: tuple[float, ...]
    in_steps: float = 0.0

    @property
    def between(self) -> int:
        """Blends to look at that are neither the pretrained model nor the trained encoder."""
        return sum(0 < share < 1 for share in self.shares)

    def num_evaluations(self, num_steps: int) -> int:
        """Evaluations of the whole run, the one after the last step among them."""
        return -(-num_steps // self.eval_every)


def budget(num_steps: int, tokens_per_step: int, weights: int) -> float:
    """Tokens that all looks of a run may encode.

    >>> budget(100, 4_000, 10_650_000), budget(6, 1_000, 10_650_000), budget(6, 1_000, 85_200_000)
    (300000.0, 50000.0, 6250.0)
    """
    return max(SHARE_OF_TRAINING * TRAINING_COST * num_steps * tokens_per_step, FLOOR / max(1, weights))


def plan_evaluations(
    cost: EvaluationCost,
    allowed: float,
    *,
    num_steps: int,
    eval_every: int,
    shares: tuple[float, ...],
    fixed_interval: bool = False,
    fixed_shares: bool = False,
) -> EvaluationPlan:
    """The plan that gives way least, by the order above, and fits into ``allowed`` tokens.

    >>> line = EvaluationCost(pairs=[34] * 1_000, whole=[30] * 1_000, fewest=40)
    >>> plan_evaluations(line, 600_000, num_steps=100, eval_every=25, shares=SHARES).eval_every
    25
    >>> plan_evaluations(line, 50_000, num_steps=100, eval_every=25, shares=SHARES)
    EvaluationPlan(rows=217, eval_every=100, shares=(0.0, 0.25, 0.5, 0.75, 1.0), in_steps=0.0)
    """
    pairs_N, whole_N = (np.cumsum(np.asarray(tokens, np.float64)) for tokens in (cost.pairs, cost.whole))
    all_rows = len(pairs_N)

    def fitting(every: int, tried: tuple[float, ...]) -> EvaluationPlan:
        """As many rows as fit."""
        plan = EvaluationPlan(rows=all_rows, eval_every=every, shares=tried)
        looks = 1 + plan.num_evaluations(num_steps)
        total_N = looks * (pairs_N + whole_N) + plan.between * pairs_N
        rows = int(np.searchsorted(total_N, allowed, side="right"))
        return EvaluationPlan(rows=min(all_rows, max(cost.fewest, rows)), eval_every=every, shares=tried)

    few = FEW_SHARES if len(shares) > len(FEW_SHARES) and not fixed_shares else shares
    plans = [
        (fitting(every, shares), all_rows)
        for every in _intervals(eval_every, num_steps, fixed=fixed_interval)
    ]
    last = plans[-1][0].eval_every
    plans += [(fitting(last, shares), min(all_rows, LEAST_ROWS)), (fitting(last, few), cost.fewest)]
    return next(plan for plan, wanted in plans if plan.rows >= min(wanted, all_rows))


def _intervals(eval_every: int, num_steps: int, *, fixed: bool) -> Iterator[int]:
    """The wanted interval, then twice that, and so on; the last leaves the evaluation at the end alone.

    >>> list(_intervals(25, 100, fixed=False)), list(_intervals(7, 100, fixed=True))
    ([25, 50, 100], [7])
    """
    yield eval_every
    while not fixed and eval_every < num_steps:
        eval_every = min(2 * eval_every, num_steps)
        yield eval_every
