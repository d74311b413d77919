"""What a second process costs: a step of one process against one of two that share a batch twice as large.

    python -m benchmarks.scaling [--quick] [--results FILE]

Weak scaling, one thread for each process, each process with as many rows: without any cost both steps would take the
same time. The floor is what two processes that know nothing of each other take side by side on this machine; the rest
is messages, waiting for the slower one, and the loss, which every process computes for the whole batch.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

ROOT = Path(__file__).resolve().parent.parent
WARM_UP, ROWS, STEPS, ROUNDS = 2, 64, 10, 3
#: (layers, width, heads) of a new encoder where the benchmark is only tried; else minilm itself.
QUICK = (1, 32, 2)
METHOD = "simcse"


@dataclass(frozen=True)
class Timed:
    """Median seconds of a step of the first process, of what of it was messages, and of the loss."""

    step: float
    messages: float
    loss: float
    gradient_bytes: int
    vector_bytes: int


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Rows of results: the steps, the share of messages, the loss that every process computes as a whole."""
    rounds = [_round(quick) for _ in range(1 if quick else ROUNDS)]
    one, apart, two = ([each[number] for each in rounds] for number in range(3))

    def median(timed: list[Timed], name: str) -> float:
        return float(statistics.median(getattr(each, name) for each in timed))

    alone, floor, together = (median(each, "step") for each in (one, apart, two))
    messages = median(two, "messages")
    loss_of_one, loss_of_two = median(one, "loss"), median(two, "loss")
    size = two[0].gradient_bytes + two[0].vector_bytes
    # Of the loss's table, a batch twice as large has four times the cells.
    predicted = floor + 3 * loss_of_one
    rows, model = (8, "a tiny encoder") if quick else (ROWS, "minilm")
    how = f"{METHOD}, {model}, {rows} rows for each process, one thread each, seconds"
    return [
        {"name": "scaling: step of one process", "predicted": None, "measured": alone, "floor": None,
         "times_floor": None, "rival": None, "note": how},
        {"name": "scaling: step of two processes that share a batch", "predicted": predicted, "measured": together,
         "floor": floor, "times_floor": together / floor, "rival": alone,
         "note": f"{how}; floor: two processes apart; rival: one process alone"},
        {"name": "scaling: efficiency of two processes", "predicted": alone / predicted, "measured": alone / together,
         "floor": alone / floor, "times_floor": None, "rival": None, "note": "1 is no loss at all"},
        {"name": "scaling: share of a step spent in messages", "predicted": None, "measured": messages / together,
         "floor": None, "times_floor": None, "rival": None,
         "note": f"sent and waited for; {size / 1e6:.3g} MB of gradients and vectors a step"},
        {"name": "scaling: loss of the whole batch in every process", "predicted": 4 * loss_of_one,
         "measured": loss_of_two, "floor": 2 * loss_of_one, "times_floor": loss_of_two / (2 * loss_of_one),
         "rival": loss_of_one, "note": "seconds; floor: own rows only; rival: one process with half the batch"},
    ]  # fmt: skip


def _round(quick: bool) -> tuple[Timed, Timed, Timed]:
    """One process; two apart, at once; two together."""
    one = _run([_variables(0, 1)], quick)
    apart = _run([_variables(0, 1), _variables(0, 1)], quick)
    port = _free_port()
    return one, apart, _run([_variables(rank, 2, port) for rank in range(2)], quick)


def _run(environments: list[dict[str, str]], quick: bool) -> Timed:
    """Start a worker for each environment; what the first measured."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--work", *(["--quick"] if quick else [])]
    started = [
        subprocess.Popen(
            command, env={**os.environ, **each}, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for each in environments
    ]  # fmt: skip
    ended = [process.communicate() for process in started]
    for process, (_, said) in zip(started, ended, strict=True):
        if process.returncode:
            raise SystemExit(f"a process of the benchmark failed: {said[-2000:]}")
    return Timed(**json.loads(ended[0][0].strip().splitlines()[-1]))


def _variables(rank: int, size: int, port: int = 0) -> dict[str, str]:
    return {
        "OMP_NUM_THREADS": "1", "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port), "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _work(*, quick: bool) -> Timed:
    """Steps of this process, timed."""
    from contrapose.encoder.by_length import groups_on
    from contrapose.encoder.encoder import Encoder
    from contrapose.encoder.scratch import new_encoder
    from contrapose.objectives.catalogue import recipe
    from contrapose.train.distributed import ProcessGroup
    from contrapose.train.modules import module_tree, trainable
    from contrapose.train.optimizer import make_optimizer
    from contrapose.train.settings import TrainingSettings
    from contrapose.train.step import StepPlan, forward_backward, tokenize

    torch.set_num_threads(1)
    processes = ProcessGroup.join()
    layers, width, heads = QUICK
    encoder = (
        new_encoder(layers=layers, width=width, heads=heads, vocabulary="minilm")
        if quick
        else Encoder.load("minilm")
    ).train()
    objective = recipe(METHOD).build(width=encoder.width)
    plan = StepPlan(seed=0, max_length=32, num_groups=groups_on(encoder.device), processes=processes)
    optimizer = make_optimizer(trainable(module_tree(encoder, objective)), TrainingSettings())
    rows = (8 if quick else ROWS) * processes.size
    seconds: dict[str, list[float]] = {"step": [], "messages": [], "loss": []}
    for number in range(WARM_UP + (2 if quick else STEPS)):
        tokenized = tokenize(encoder, _batch(rows, number), plan)
        optimizer.zero_grad()
        spent: dict[str, float] = {"messages": 0.0, "loss": 0.0}
        began = time.perf_counter()
        with _clocked(spent):
            result = forward_backward(encoder, objective, tokenized, plan)
        optimizer.step()
        seconds["step"].append(time.perf_counter() - began)
        seconds["messages"].append(spent["messages"])
        seconds["loss"].append(_seconds_of_loss(objective, result.views))
    processes.leave()
    gradients = sum(4 * parameter.numel() for parameter in encoder.backbone.parameters())
    medians = {name: statistics.median(each[WARM_UP:]) for name, each in seconds.items()}
    return Timed(**medians, gradient_bytes=gradients, vector_bytes=4 * 2 * rows * encoder.width)


def _batch(rows: int, step: int) -> Any:
    """Different texts of 8 to 32 words."""
    from contrapose.text.identity import text_hashes
    from contrapose.train.batches import Batch

    random = torch.Generator().manual_seed(step)
    words = ("time", "water", "light", "music", "river", "paper", "garden", "winter", "question", "machine")
    lengths = torch.randint(8, 32, (rows,), generator=random).tolist()
    drawn = [torch.randint(len(words), (length,), generator=random).tolist() for length in lengths]
    view = [f"{number} " + " ".join(words[each] for each in chosen) for number, chosen in enumerate(drawn)]
    ids = text_hashes(view)
    texts, hashes = {"anchor": view, "positive": view}, {"anchor": ids, "positive": ids}
    return Batch(step=step, row_ids=torch.arange(rows), texts=texts, text_ids=hashes)


@contextmanager
def _clocked(spent: dict[str, float]) -> Iterator[None]:
    """Inside the block, the time in calls that send or wait for messages is added up."""
    from contrapose.train.distributed import ProcessGroup

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given, **options)
            finally:
                spent["messages"] += time.perf_counter() - began

        return call

    with ExitStack() as replaced:
        for name in ("gather_rows", "start_sum", "finish"):
            replaced.enter_context(patch.object(ProcessGroup, name, timed(getattr(ProcessGroup, name))))
        yield


def _seconds_of_loss(objective: Any, views: Any) -> float:
    """Of the loss with its gradient, on vectors that are there."""
    leaves = {name: view.detach().requires_grad_() for name, view in views.by_name.items()}
    began = time.perf_counter()
    torch.autograd.backward(objective(views.with_views(**leaves)).total)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a tiny encoder and few steps: only that it works"
    )
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--results", type=Path, help="where the page takes the table from: see docs/how-to/scaling.md"
    )
    given = parser.parse_args()
    if given.work:
        print(json.dumps(_work(quick=given.quick).__dict__))
        return
    machine = {"cores": os.cpu_count(), "torch": torch.__version__}
    report = {"machine": machine, "rows": measure(quick=given.quick)}
    print(json.dumps(report, indent=1))
    if given.results:
        given.results.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
