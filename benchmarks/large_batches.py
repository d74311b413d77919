"""What a batch of tens of thousands of rows costs in tiles: memory beside the vectors, and time beside the table.

    python -m benchmarks.large_batches [--quick]

Each measurement is a process of its own, whose highest resident memory is read; what it had before the loss is taken
off. Memory of the table is measured at the largest size where it fits in this machine, and computed from that at the
largest batch of all. Time is the median over rounds of forward and backward of SimCSE, tiles and table in turns within
one process. The floor is the operations of its products (2 B C D forward, 6 B C D backward in tiles) over the rate of a
large product of matrices that is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH = 768
#: Rows of the batch that is meant, and of the largest whose table is tried.
LARGEST, LARGEST_TABLE = 65_536, 16_384
#: What must stay free for the machine to go on.
SPARE_BYTES = 2 * 2**30
#: Copies of the table that are expected: cosines, logits, the mask, masked logits, and going backward two more.
EXPECTED_COPIES = 6
ROUNDS = 3
MIB = 2**20


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Rows of the table of results: name, predicted, measured, floor, times_floor, rival, note."""
    rows, width = (512, 32) if quick else (LARGEST, WIDTH)
    fits = 256 if quick else largest_table()
    memory = {kind: _apart("memory", fits, width, kind == "tiles")["bytes"] for kind in ("tiles", "table")}
    large = _apart("memory", rows, width, True)["bytes"]
    copies = memory["table"] / _table_bytes(fits)
    times = _apart("time", fits, width, True)
    whole = _table_bytes(rows) * copies
    return [
        {
            "name": f"peak memory beside the vectors, {rows:,} x {width}, MiB",
            "predicted": _gradients_bytes(rows, width) / MIB,
            "measured": large / MIB,
            "floor": 2 * rows * width * 4 / MIB,
            "times_floor": large / (2 * rows * width * 4),
            "rival": f"table: {whole / MIB:,.0f} MiB, {whole / large:,.0f} times as much",
            "note": f"table computed: {copies:.1f} copies of B x B, as measured at {fits:,} rows",
        },
        {
            "name": f"peak memory beside the vectors, {fits:,} x {width}, MiB",
            "predicted": _gradients_bytes(fits, width) / MIB,
            "measured": memory["tiles"] / MIB,
            "floor": 2 * fits * width * 4 / MIB,
            "times_floor": memory["tiles"] / (2 * fits * width * 4),
            "rival": f"table: {memory['table'] / MIB:,.0f} MiB",
            "note": f"{EXPECTED_COPIES} copies of the table were expected, {copies:.1f} measured",
        },
        {
            "name": f"time of loss and gradient, {fits:,} x {width}, seconds",
            "predicted": 8 / 6 * times["table"],
            "measured": times["tiles"],
            "floor": times["floor"],
            "times_floor": times["tiles"] / times["floor"],
            "rival": f"table: {times['table']:.2f} s; tiles take {times['ratio']:.2f} times as long",
            "note": f"median of {ROUNDS} rounds in turns; the ratio may be 1.5 at most",
        },
    ]


def largest_table() -> int:
    """The most rows, up to :data:`LARGEST_TABLE`, whose table fits into what memory is free."""
    rows = LARGEST_TABLE
    import torch

    from contrapose.train.memory import free_memory

    free = free_memory(torch.device("cpu")) - SPARE_BYTES
    while rows > 1024 and _table_bytes(rows) * (EXPECTED_COPIES + 1) > free:
        rows //= 2
    return rows


def _table_bytes(rows: int) -> int:
    return rows * rows * 4


def _gradients_bytes(rows: int, width: int) -> int:
    """Unit vectors of two views, their gradients and those of the views: six of one size, and one in passing."""
    return 7 * rows * width * 4


def _apart(what: str, rows: int, width: int, tiled: bool) -> dict[str, float]:
    """A measurement in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.large_batches",
        "--one",
        json.dumps([what, rows, width, tiled]),
    ]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {ended.stderr[-2000:]}")
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _loss_of(rows: int, width: int) -> tuple[Callable[[bool], Any], Any]:
    """One loss of SimCSE with its gradient, of rows that all have a text of their own; and its vectors."""
    import torch

    from contrapose.contract import Views
    from contrapose.objectives.catalogue import recipe

    random = torch.Generator().manual_seed(0)
    anchor = torch.randn(rows, width, generator=random)
    positive = torch.randn(rows, width, generator=random).add_(anchor)
    anchor.requires_grad_()
    positive.requires_grad_()
    ids = torch.arange(rows)
    views = Views.pair(anchor, positive, text_ids={"anchor": ids, "positive": ids})
    objective = recipe("simcse").build(width=width)

    def call(tiled: bool) -> Any:
        return torch.autograd.grad(objective(views, tiled=tiled, with_stats=False).total, [anchor, positive])

    return call, (anchor, positive)


def _memory(rows: int, width: int, tiled: bool) -> dict[str, float]:
    """Bytes of resident memory at its highest, less those before the loss."""
    call, _ = _loss_of(rows, width)
    _loss_of(64, width)[0](tiled)  # what is loaded at the first call is no memory of the loss
    before = _resident()
    call(tiled)
    return {"bytes": max(1.0, _highest() - before)}


def _time(rows: int, width: int) -> dict[str, float]:
    """Seconds of tiles and table in turns, and of the products that tiles cannot do without."""
    import torch

    call, (anchor, _) = _loss_of(rows, width)
    taken: dict[bool, list[float]] = {True: [], False: []}
    for round_ in range(ROUNDS + 1):
        for tiled in (True, False):
            began = time.perf_counter()
            call(tiled)
            if round_:  # the first warms up
                taken[tiled].append(time.perf_counter() - began)
    size = min(rows, 2048)
    one = anchor.detach()[:size].contiguous()
    out = torch.empty(size, size)
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(one, one.T, out=out)
        rates.append(2 * size * size * width / (time.perf_counter() - began))
    floor = 8 * rows * rows * width / max(rates)
    ratio = statistics.median(one / other for one, other in zip(taken[True], taken[False], strict=True))
    return {
        "tiles": statistics.median(taken[True]),
        "table": statistics.median(taken[False]),
        "ratio": ratio,
        "floor": floor,
    }


def _resident() -> int:
    return _of_kernel("VmRSS")


def _highest() -> int:
    """Of this process: the counter of getrusage begins with the memory of the process that started it."""
    return _of_kernel("VmHWM")


def _of_kernel(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        what, rows, width, tiled = json.loads(given.one)
        print(json.dumps(_memory(rows, width, tiled) if what == "memory" else _time(rows, width)))
        return
    for row in measure(quick=given.quick):
        print(json.dumps(row))


if __name__ == "__main__":
    main()
