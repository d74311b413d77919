"""What the loss of every method costs beside SimCSE's: forward, backward and the table between, without an encoder.

    python -m benchmarks.losses [--quick] [--methods A,B]

Losses take turns in one process; a figure is the median over rounds of the ratio to SimCSE's in the same round. Time is
the thread's own, so another program on the machine adds nothing to it. With its statistics, as training asks for them,
and without.

predicted  the most that the method's loss may cost, where that was said
floor      the matrix products of SimCSE's loss (one forward, two backward) as a share of its time, in the same rounds
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from contrapose.objectives.catalogue import all_methods, recipe

BASELINE, PRODUCTS = "simcse", "products"
ROWS, WIDTHS = 64, (768, 384)
ROUNDS, CALLS = 15, 10
#: Method -> the most that its loss may cost, as a multiple of SimCSE's.
GOALS = {"hncse-hnm": 3.0, "hncse-pm": 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few rounds of the methods that have a goal")
    parser.add_argument("--methods", help="names, joined by commas; else all")
    given = parser.parse_args()
    for row in measure(quick=given.quick, methods=given.methods.split(",") if given.methods else None):
        print(json.dumps(row))


def measure(*, quick: bool, methods: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row for each method, width, and with its statistics or without: how many times SimCSE's loss it takes."""
    names = methods or (sorted(GOALS) if quick else [name for name in all_methods() if name != BASELINE])
    rows = []
    for width in WIDTHS[:1] if quick else WIDTHS:
        for with_stats in (True, False):
            calls = {name: loss_of(name, width, with_stats) for name in dict.fromkeys((BASELINE, *names))}
            calls[PRODUCTS] = partial(products, torch.randn(2, ROWS, width))
            seconds = interleaved(calls, rounds=2 if quick else ROUNDS, count=2 if quick else CALLS)
            rows += [_row(name, width, with_stats, seconds) for name in names]
    return rows


def loss_of(name: str, width: int, with_stats: bool) -> Callable[[], object]:
    """One loss with its gradient, on vectors that are made once; what else the method needs is there as toys."""
    from contrapose.contract import Views
    from contrapose.testing.toys import beside, supplies, tokens

    objective = recipe(name).build(width=width)
    objective.attach(supplies(objective.needs, width))
    random = torch.Generator().manual_seed(0)
    base = torch.randn(ROWS, width, generator=random)
    anchor, positive = (base + 0.7 * torch.randn(ROWS, width, generator=random) for _ in range(2))
    texts = {view: torch.arange(ROWS) for view in ("anchor", "positive")}
    views = beside(Views.pair(anchor, positive, text_ids=texts, tokens=tokens(ROWS, 0)), objective.needs)
    views = views.with_views(**{key: value.requires_grad_() for key, value in views.by_name.items()})

    def call() -> None:
        total = objective(views, with_stats=with_stats).total
        torch.autograd.grad(total, [views.anchor, views.positive], allow_unused=True)
        objective.observe(views)

    return call


def products(vectors_2BD: torch.Tensor) -> None:
    """The matrix products that any loss over a table of cosines has: the table, and its gradient into both sides."""
    anchor_BD, positive_BD = vectors_2BD
    table_BB = anchor_BD @ positive_BD.T
    table_BB @ positive_BD, table_BB.T @ anchor_BD


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int, count: int) -> dict[str, list[float]]:
    """Seconds of one call of each in every round; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for number in range(rounds):
        for name in list(calls) if number % 2 == 0 else list(calls)[::-1]:
            began = time.thread_time()
            for _ in range(count):
                calls[name]()
            seconds[name].append((time.thread_time() - began) / count)
    return seconds


def _row(name: str, width: int, with_stats: bool, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    def ratio(of: str, to: str) -> float:
        return statistics.median(one / other for one, other in zip(seconds[of], seconds[to], strict=True))

    measured, floor = ratio(name, BASELINE), ratio(PRODUCTS, BASELINE)
    return {
        "name": f"{name} loss, times SimCSE's, width {width}, {'with' if with_stats else 'without'} statistics",
        "predicted": GOALS.get(name),
        "measured": measured,
        "floor": floor,
        "times_floor": measured / floor,
        "rival": None,
        "note": f"{1e3 * statistics.median(seconds[name]):.2f} ms, SimCSE's "
        f"{1e3 * statistics.median(seconds[BASELINE]):.2f} ms; batch {ROWS}, {torch.get_num_threads()} threads",
    }


if __name__ == "__main__":
    main()
