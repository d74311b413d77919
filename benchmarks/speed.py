"""How fast, as ratios against named rivals, on the same machine and the same sentences, in one run.

    python -m benchmarks speed [--quick]                  the training step, beside its floor
    python -m benchmarks.speed [--corpus FILE] [--senteval DIR] [--steps N] [--before FOLDER]     what docs/ shows

CONTRAPOSE_DATA names the data folder. Without one the text is harvested: the docstrings of Python's standard library.

Training, in sentences per second (both views, forward, backward, clipping, optimizer), the rivals taking turns, each
in a process of its own:

contrapose                            what ``contrapose train`` does here
plain fp32 two-pass                   eager attention, unfused AdamW, padding to the longest of the batch
sentence-transformers fp32, bf16      its trainer with its InfoNCE; fused AdamW and sdpa are its defaults
sentence-transformers bf16, a worker  the same, its batches made in a process beside

Evaluation, in sentences per second: STS with every distinct sentence encoded once, against encoding the sentences of
the pairs in file order in batches of 64 in fp32.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import data_folder, own_corpus, text_batches
from benchmarks.floors import floor_of_a_step
from benchmarks.rival_python import rival_python
from benchmarks.rivals import (
    BATCH_SIZE,
    MAX_LENGTH,
    Step,
    encode_in_file_order,
    plain_step,
    sentence_transformers,
)

OURS, BEFORE = "contrapose", "before"
#: Settings of sentence-transformers' trainer. The best of them is what ours is compared with.
ST: dict[str, dict[str, Any]] = {
    "sentence-transformers bf16": {},
    "sentence-transformers fp32": {"bf16": False},
    "sentence-transformers bf16, a worker": {"workers": 1},
}
RIVALS = (OURS, "plain fp32 two-pass", *ST)
WARM_UP, ROUNDS = 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = data_folder()
    parser.add_argument("--corpus", help="one sentence per line; else the data folder's, else harvested text")
    parser.add_argument("--senteval", default=str(data / "senteval") if data else "", help="for evaluation")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--method", default="simcse", help="only with --rival contrapose")
    parser.add_argument(
        "--before", default="", metavar="FOLDER", help="another checkout, to compare each method with"
    )
    parser.add_argument("--rival", choices=RIVALS, help="only: the seconds of each step of this one, as JSON")
    parser.add_argument("--profile", action="store_true", help="only: where the time of our step goes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        given.corpus = given.corpus or own_corpus(data, Path(folder))
        run(given)


def run(given: argparse.Namespace) -> None:
    """What the options ask for."""
    if not Path(given.corpus).exists():
        raise SystemExit(f"no corpus at {given.corpus}: give --corpus FILE with one sentence per line")
    if given.rival:
        print(json.dumps(seconds_per_step(given.rival, given.corpus, given.steps, given.method)))
        return
    if given.profile:
        print(profile(given.corpus))
        return
    report: dict[str, Any] = {
        "machine": _machine(),
        "text": Path(given.corpus).name,
        "training": training(given.corpus, given.steps),
    }
    if given.before:
        report["methods"] = methods_beside_before(given.corpus, given.steps, given.before)
    if given.senteval and Path(given.senteval).exists():
        report["evaluation"] = evaluation(given.senteval)
    if given.json:
        print(json.dumps(report, indent=2))
        return
    print(" ".join(f"{key}={value}" for key, value in report["machine"].items()))
    print(f"text: {report['text']}")
    for part in ("training", "methods", "evaluation"):
        for name, value in report.get(part, {}).items():
            print(f"{part:<11} {name:<46} {value}")


def training(corpus: str, steps: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Sentences per second of each rival, and ours as a multiple of theirs (the median over the rounds).

    Each rival runs in a process of its own, as its users run it, and they take turns; the first steps of each process
    warm up (its heap still grows) and are not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in RIVALS}
    for number in range(rounds):
        for name in RIVALS if number % 2 == 0 else reversed(RIVALS):
            if (measured := _in_own_process(name, corpus, steps)) is not None:
                seconds[name].append(statistics.median(measured))
    ours = seconds.pop(OURS)
    result: dict[str, Any] = {"contrapose, sentences/s": _rate(ours)}
    for name, theirs in seconds.items():
        if not theirs:
            from contrapose.installing import install_command

            result[name] = f"not measured: {install_command('st')}"
            continue
        ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
        result[f"{name}, sentences/s"] = _rate(theirs)
        result[f"contrapose / {name}"] = round(statistics.median(ratios), 2)
        result[f"contrapose / {name}, each round"] = [round(ratio, 2) for ratio in ratios]
    return result


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The training step of minilm beside each rival and its floor, in milliseconds."""
    steps, rounds = (2, 1) if quick else (12, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        corpus = own_corpus(data_folder(), Path(folder))
        precision, floor = floor_of_a_step(corpus, BATCH_SIZE, MAX_LENGTH, quick=quick)
        told = training(corpus, steps, rounds)
    ours = 1000 * BATCH_SIZE / told["contrapose, sentences/s"]
    rows: list[dict[str, Any]] = [
        {"name": "training step of minilm, 64 sentences, ms", "predicted": "3.5 times as fast as plain fp32",
         "measured": ours, "floor": 1000 * floor, "note": f"floor: {precision} products without padding, and AdamW"},
    ]  # fmt: skip
    for name in RIVALS[1:]:
        row = {"name": f"contrapose / {name}", "measured": told.get(f"contrapose / {name}"), "note": ""}
        if row["measured"] is None:
            row["note"] = str(told[name])
        else:
            row["rival"] = f"{1000 * BATCH_SIZE / told[f'{name}, sentences/s']:.0f} ms"
        rows.append(row)
    best = [told[f"contrapose / {name}"] for name in ST if f"contrapose / {name}" in told]
    rows.append({
        "name": "contrapose / sentence-transformers at its best", "predicted": 1.8,
        "measured": min(best) if best else None, "note": "the fastest of its settings above",
    })  # fmt: skip
    return rows


def methods_beside_before(corpus: str, steps: int, before: str, rounds: int = ROUNDS) -> dict[str, Any]:
    """Of each method that an earlier checkout has too: its speed beside that one's, in turns."""
    result: dict[str, Any] = {}
    for method in ("simcse", "focal-infonce", "hncse-pm", "hncse-hnm", "hncse"):
        ratios = []
        for number in range(rounds):
            turns = (OURS, BEFORE) if number % 2 == 0 else (BEFORE, OURS)
            seconds = {
                name: statistics.median(
                    _in_own_process(name, corpus, steps, method=method, before=before) or []
                )
                for name in turns
            }
            ratios.append(seconds[BEFORE] / seconds[OURS])
        result[f"{method} / before"] = round(statistics.median(ratios), 3)
        result[f"{method} / before, each round"] = [round(ratio, 3) for ratio in ratios]
    return result


def _in_own_process(
    name: str, corpus: str, steps: int, *, method: str = "simcse", before: str = ""
) -> list[float] | None:
    python = (rival_python("sentence_transformers") if name in ST else None) or sys.executable
    command = [python, "-m", "benchmarks.speed", "--rival", OURS if name == BEFORE else name]
    command += ["--corpus", corpus, "--steps", str(steps), "--method", method]
    # The same benchmark over the package of another checkout: what it calls is public, and there as well.
    paths = [str(Path(before, "src"))] if name == BEFORE else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    measured: list[float] | None = json.loads(done.stdout.splitlines()[-1])
    return measured


def seconds_per_step(name: str, corpus: str, steps: int, method: str = "simcse") -> list[float] | None:
    """The seconds of each counted step of one rival; None where it is not installed."""
    if name == OURS:
        return our_steps(corpus, WARM_UP + steps, method)[WARM_UP:]
    batches = text_batches(corpus, WARM_UP + steps, BATCH_SIZE)
    if name in ST:
        return sentence_transformers(batches, WARM_UP, **ST[name])
    step = plain_step(batches)
    return [_timed(step, number) for number in range(WARM_UP + steps)][WARM_UP:]


def our_steps(corpus: str, steps: int, method: str) -> list[float]:
    """The seconds of each step of a run, as the run wrote them down."""
    import contrapose

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        contrapose.train(
            corpus,
            out=str(out),
            method=method,
            steps=steps,
            batch_size=BATCH_SIZE,
            max_length=MAX_LENGTH,
            criterion="none",
            blend=1,
        )
        rows = map(json.loads, (out / "timings.jsonl").read_text(encoding="utf-8").splitlines())
        return [row["seconds"] for row in rows if "seconds" in row]


def profile(corpus: str, steps: int = 20) -> str:
    """The operations that take most of our training step, as shares of its CPU time."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
        our_steps(corpus, steps, "simcse")
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return "\n".join(f"{event.self_cpu_time_total / total:6.1%}  {event.key}" for event in events[:12])


def evaluation(senteval: str) -> dict[str, Any]:
    """STS12-16, STS-B and SICK-R: the seconds that encoding takes, ours in fp32 and bf16 against file order."""
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.senteval import STS_TASKS, read_sts
    from contrapose.evaluate.suite import evaluate

    encoder = Encoder.load("minilm")
    in_order: list[str] = []
    for task in STS_TASKS:
        for part in read_sts(senteval, task).subsets:
            in_order += [text for pair in zip(part.first, part.second, strict=True) for text in pair]
    # A sample in file order is enough to know the rival's speed: every n-th block of ten batches.
    blocks = [in_order[start : start + 640] for start in range(0, len(in_order), 6400)]
    began = time.perf_counter()
    for block in blocks:
        encode_in_file_order(encoder, block)
    plain = (time.perf_counter() - began) / sum(len(block) for block in blocks) * len(in_order)
    seconds = {}
    for precision in ("fp32", "bf16"):
        began = time.perf_counter()
        evaluate(encoder, ["sts"], senteval, precision=precision)
        seconds[precision] = time.perf_counter() - began
    return {
        "sentences": len(in_order),
        "file order, batches of 64, fp32, sentences/s": round(len(in_order) / plain, 1),
        **{
            f"contrapose {name}, sentences/s": round(len(in_order) / took, 1)
            for name, took in seconds.items()
        },
        **{f"contrapose {name} / file order": round(plain / took, 2) for name, took in seconds.items()},
    }


def _timed(step: Step, number: int) -> float:
    began = time.perf_counter()
    step(number)
    return time.perf_counter() - began


def _rate(seconds: Sequence[float]) -> float:
    return round(BATCH_SIZE / statistics.median(seconds), 1)


def _machine() -> dict[str, Any]:
    from contrapose.train.precision import computes_in_bf16

    return {
        "threads": torch.get_num_threads(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "native_bf16": computes_in_bf16(torch.device("cpu")),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
