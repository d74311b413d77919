"""torch.compile of a training step on this machine: what a step gains, and after how many steps the compiling is paid.

    python -m benchmarks compiled [--quick]

The step is one of minilm's: 64 texts of 32 tokens, forward and backward, in one shape. Real batches have many shapes,
each of which is compiled anew or padded, so that this is the best case.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.floors import Shape, rates, training_operations

ROWS, LENGTH = 64, 32


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Eager and compiled in turns, in each precision that pays here; whatever a compiler says is told, not hidden."""
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.precision import computes_in_bf16

    rows, length = (4, 8) if quick else (ROWS, LENGTH)
    encoder = Encoder.load("minilm", dropout=0.0)
    backbone = encoder.backbone.train()
    shape = Shape.of(backbone.config)
    measured_rates = rates(shape, quick=quick)
    told: list[dict[str, Any]] = []
    for precision in ("fp32", *(["bf16"] if computes_in_bf16(torch.device("cpu")) else [])):
        torch.compiler.reset()
        modules: list[Any] = [backbone, torch.compile(backbone)]
        eager = _step(modules[0], rows, length, precision)
        compiled = _step(modules[1], rows, length, precision)
        try:
            first = _seconds(compiled)
        except Exception as error:  # a compiler of C++ may be missing, or fail in its own ways
            about = f"it does not compile here: {type(error).__name__}"
            told.append({"name": f"compiled step, {precision}", "measured": None, "note": about})
            continue
        turns = [(_seconds(eager), _seconds(compiled)) for _ in range(2 if quick else 15)]
        before, after = (statistics.median(each) for each in zip(*turns, strict=True))
        floor = measured_rates.seconds(training_operations(shape, [length] * rows), precision)
        told += [
            {"name": f"eager forward and backward, {precision}, ms", "measured": 1000 * before, "floor": 1000 * floor},
            {"name": f"compiled forward and backward, {precision}, ms", "measured": 1000 * after,
             "floor": 1000 * floor},
            {"name": f"eager / compiled, {precision}", "predicted": "1.1 to 1.3", "measured": before / after},
            {"name": f"compiling, {precision}, s", "measured": first - after},
            {"name": f"steps until it pays, {precision}", "measured": steps_until_it_pays(first, before, after)},
        ]  # fmt: skip
    return told


def steps_until_it_pays(first: float, eager: float, compiled: float) -> int | str:
    """From which step on the compiled run is ahead, if the first takes ``first`` seconds.

    >>> steps_until_it_pays(61.0, 2.0, 1.0), steps_until_it_pays(61.0, 1.0, 1.0)
    (60, 'never')
    """
    return math.ceil((first - compiled) / (eager - compiled)) if compiled < eager else "never"


def _step(model: torch.nn.Module, rows: int, length: int, precision: str) -> Callable[[], None]:
    random = torch.Generator().manual_seed(0)
    ids_BL = torch.randint(1000, 20_000, (rows, length), generator=random)
    mask_BL = torch.ones_like(ids_BL)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            hidden = model(input_ids=ids_BL, attention_mask=mask_BL).last_hidden_state
        hidden.float().mean().backward()

    return step


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
