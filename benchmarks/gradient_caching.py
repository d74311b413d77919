"""What gradient caching costs in time, and what a step takes of memory as the batch grows.

    python -m benchmarks.gradient_caching [--quick]

time    steps of a batch at once, and the same batch in chunks that are its groups: the same work but for the replays,
        of which (n - k) / n of a forward pass is left where k of n chunks keep their graph
memory  the peak of what is counted (:mod:`contrapose.train.memory`) in a step of 256 to 4,096 rows in chunks of 64
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from contrapose.encoder.by_length import groups_on
from contrapose.encoder.encoder import Encoder
from contrapose.objectives.catalogue import recipe
from contrapose.text.identity import text_hashes
from contrapose.train.attention import attention_in_training
from contrapose.train.batches import Batch
from contrapose.train.memory import peak_bytes
from contrapose.train.step import StepPlan, TokenizedBatch, forward_backward, tokenize

WORDS = (
    "the",
    "river",
    "kept",
    "its",
    "old",
    "name",
    "and",
    "nobody",
    "asked",
    "why",
    "a",
    "map",
    "showed",
    "two",
)
#: A forward pass is a third of a step.
FORWARD = 1 / 3


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """One row for each way of keeping graphs, and one for the growth of memory with the batch."""
    encoder = Encoder.load("minilm", head="linear-tanh")
    encoder.train()
    encoder.use_attention(attention_in_training(encoder, bf16=False))
    rows, rounds, growing = (32, 1, (32, 64)) if quick else (256, 5, (256, 1024, 4096))
    return [*_times(encoder, rows, rounds), _growth(encoder, growing, chunk=16 if quick else 64)]


def _times(encoder: Encoder, rows: int, rounds: int) -> list[dict[str, Any]]:
    # Few chunks, each as large as a group: what is measured is caching, and not smaller matrix products.
    groups = max(4, groups_on(encoder.device))
    plan = StepPlan(seed=0, max_length=32, num_groups=groups)
    cut = replace(plan, chunk_size=-(-2 * rows // groups))
    batch = tokenize(encoder, batch_of_sentences(rows), plan)
    plans = {0: cut, 1: cut, groups // 2: cut}
    calls = {kept: step_of(encoder, batch, replace(each, kept_chunks=kept)) for kept, each in plans.items()}
    whole = step_of(encoder, batch, plan)
    ratios: dict[int, list[float]] = {kept: [] for kept in calls}
    whole()
    for _ in range(rounds):
        at_once = seconds_of(whole)
        for kept, call in calls.items():
            ratios[kept].append(seconds_of(call) / at_once)
    return [
        _row(
            f"caching, {kept} of {groups} chunks kept",
            predicted=1 + FORWARD * (groups - kept) / groups,
            measured=statistics.median(each),
            rival="the batch at once, in as many groups",
            note=f"time, {rows} rows, {rounds} rounds, {min(each):.2f} to {max(each):.2f}",
        )
        for kept, each in ratios.items()
    ]


def _growth(encoder: Encoder, sizes: Sequence[int], chunk: int) -> dict[str, Any]:
    """As a run does it: the loss in tiles where its table would be large. What must grow are the batch's vectors."""
    peaks = []
    for rows in sizes:
        plan = StepPlan(seed=0, max_length=32, chunk_size=chunk, tiled=None)
        batch = tokenize(encoder, batch_of_sentences(rows), plan)
        step_of(encoder, batch, plan)()  # gradients are there from the second step on
        peaks.append(peak_bytes(step_of(encoder, batch, plan, clear=False), encoder.device))
    counted = ", ".join(f"{rows}: {peak / 2**20:.0f} MiB" for rows, peak in zip(sizes, peaks, strict=True))
    vectors = 4 * 2 * encoder.width * (sizes[-1] - sizes[0]) * 12
    return _row(
        f"peak memory, {sizes[0]} to {sizes[-1]} rows",
        predicted=1 + vectors / peaks[0],
        measured=peaks[-1] / peaks[0],
        rival=f"the same in {sizes[0]} rows",
        note=counted,
    )


def _row(name: str, *, predicted: float, measured: float, rival: str, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "predicted": round(predicted, 3),
        "measured": round(measured, 3),
        "floor": round(predicted, 3),
        "times_floor": round(measured / predicted, 3),
        "rival": rival,
        "note": note,
    }


def step_of(
    encoder: Encoder, batch: TokenizedBatch, plan: StepPlan, *, clear: bool = True
) -> Callable[[], object]:
    objective = recipe("simcse").build(width=encoder.width)

    def step() -> None:
        if clear:
            encoder.zero_grad(set_to_none=False)
        forward_backward(encoder, objective, batch, plan)

    return step


def seconds_of(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def batch_of_sentences(rows: int) -> Batch:
    """Sentences of 5 to 25 words, as those of an encyclopedia are."""
    drawn = random.Random(0)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(5, 25))) for _ in range(rows)]
    views = {"anchor": texts, "positive": texts}
    hashes = {name: text_hashes(view) for name, view in views.items()}
    return Batch(0, torch.arange(rows), views, hashes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    print(json.dumps(measure(quick=parser.parse_args().quick), indent=1))
