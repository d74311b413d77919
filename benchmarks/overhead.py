"""What a method costs beside SimCSE: its loss alone, and a whole training step, on this machine, in turns.

    python -m benchmarks overhead [--quick]
    python -m benchmarks.overhead [--model FOLDER] [--corpus FILE] [--methods A,B] [--results FILE]

loss    forward and backward of the loss on 64 vectors of 384 numbers, with all that the method needs supplied as toys
step    a step of a training run: both views, further texts, other models, loss, backward, optimizer; not what a method
        does before the run or every so many steps, such as a search for neighbours

Both are medians over rounds of the ratio to SimCSE, which takes its turn in each round. A model serves only some
methods; the others are named with the reason.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import data_folder, own_corpus
from contrapose.errors import ContraposeError
from contrapose.objectives.catalogue import all_methods, recipe
from studies.methods_settings import FITTED

BASELINE = "simcse"
ROWS, WIDTH = 64, 384
LOSS_CALLS, LOSS_ROUNDS, STEPS, WARM_UP, STEP_ROUNDS = 10, 7, 6, 3, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = data_folder()
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--corpus", help="one sentence per line; else the data folder's, else harvested text")
    parser.add_argument("--methods", default=",".join(all_methods()))
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    names = given.methods.split(",")
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        corpus = _sample(given.corpus or own_corpus(data, Path(folder)), Path(folder))
        steps, reasons = step_ratios(names, given.model, corpus)
    report = {
        "machine": {"threads": torch.get_num_threads(), "torch": torch.__version__},
        "model": _name(given.model),
        "loss": loss_ratios(names),
        "step": steps,
        "not for this model": reasons,
    }
    print(json.dumps(report, indent=1))
    if given.results:
        given.results.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Each method's loss beside SimCSE's, and the steps of a few beside SimCSE's step."""
    names = ["simcse", "hncse-pm", "hncse-hnm"] if quick else list(all_methods())
    rows: list[dict[str, Any]] = [
        {"name": f"loss of {name} / SimCSE's", "measured": ratio, "note": "64 vectors of 384, with gradients"}
        for name, ratio in loss_ratios(names, 1 if quick else LOSS_ROUNDS).items()
    ]
    stepped = ["hncse-hnm"] if quick else ["focal-infonce", "hncse-pm", "hncse-hnm", "hncse"]
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        corpus = _sample(own_corpus(data_folder(), Path(folder)), Path(folder))
        steps, _ = step_ratios(stepped, "minilm", corpus, 1 if quick else STEP_ROUNDS)
    return rows + [{"name": f"step of {name} / SimCSE's", "measured": ratio} for name, ratio in steps.items()]


def _name(model: str) -> str:
    """The model of a run is called as its run.

    >>> _name("minilm"), _name("runs/minilm-mlm/model")
    ('minilm', 'minilm-mlm')
    """
    path = Path(model)
    return path.parent.name if path.name == "model" and path.parent.name else path.name


def loss_ratios(names: Sequence[str], rounds: int = LOSS_ROUNDS) -> dict[str, float]:
    """Method -> seconds of its loss as a multiple of SimCSE's."""
    losses = {name: loss_of(name) for name in {BASELINE, *names}}
    return _ratios(
        names, {name: partial(_seconds, call, LOSS_CALLS) for name, call in losses.items()}, rounds
    )


def loss_of(name: str) -> Callable[[], object]:
    """One loss with its gradient, on vectors that are made once."""
    from contrapose.contract import Views
    from contrapose.testing.toys import beside, supplies, tokens

    made = recipe(name)
    objective = made.build(width=WIDTH)
    objective.attach(supplies(objective.needs, WIDTH))
    random = torch.Generator().manual_seed(0)
    base = torch.randn(ROWS, WIDTH, generator=random)
    anchor, positive = (base + 0.3 * torch.randn(ROWS, WIDTH, generator=random) for _ in range(2))
    views = beside(Views.pair(anchor, positive, tokens=tokens(ROWS, 0)), objective.needs)
    leaves = {key: value.requires_grad_() for key, value in views.by_name.items()}
    views = views.with_views(**leaves)

    def call() -> None:
        torch.autograd.grad(objective(views).total, [views.anchor, views.positive])
        objective.observe(views)

    return call


def step_ratios(
    names: Sequence[str], model: str, corpus: str, rounds: int = STEP_ROUNDS
) -> tuple[dict[str, float], dict[str, str]]:
    """Method -> seconds of its step as a multiple of SimCSE's; and why the model cannot serve the others."""
    reasons: dict[str, str] = {}
    for name in names:
        try:
            step_seconds(name, model, corpus, steps=1)
        except ContraposeError as error:
            reasons[name] = str(error)
    served = [name for name in names if name not in reasons]
    calls = {name: partial(_usual_step, name, model, corpus) for name in {BASELINE, *served}}
    return _ratios(served, calls, rounds), reasons


def _usual_step(name: str, model: str, corpus: str) -> float:
    return statistics.median(step_seconds(name, model, corpus)[WARM_UP:])


def step_seconds(name: str, model: str, corpus: str, steps: int = WARM_UP + STEPS) -> list[float]:
    """The seconds of each step of a run, as the run wrote them down."""
    import contrapose

    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        contrapose.train(
            corpus, out=Path(folder, "run"), model=model, method=name, steps=steps, batch_size=ROWS, criterion="none",
            held_out_rows=0, blend=1, **FITTED.get(name, {}),
        )  # fmt: skip
        lines = Path(folder, "run", "timings.jsonl").read_text(encoding="utf-8").splitlines()
        return [row["seconds"] for row in map(json.loads, lines) if "seconds" in row]


def _ratios(names: Sequence[str], calls: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median over rounds of each call's seconds as a multiple of the baseline's in that round."""
    ratios: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        order = list(calls) if number % 2 == 0 else list(calls)[::-1]
        seconds = {name: calls[name]() for name in order}
        for name in names:
            ratios[name].append(seconds[name] / seconds[BASELINE])
    return {name: round(statistics.median(each), 3) for name, each in ratios.items()}


def _seconds(call: Callable[[], object], count: int) -> float:
    call()
    began = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - began


def _sample(corpus: str, folder: Path, rows: int = 2_000) -> str:
    """The first rows, so that what looks at the whole corpus looks at a small one."""
    from contrapose.data.corpus import build_corpus

    built = build_corpus([corpus], folder / "whole")
    (texts,) = built.take(range(min(rows, len(built)))).values()
    path = folder / "sample.txt"
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    main()
