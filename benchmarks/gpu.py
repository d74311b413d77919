"""Training on a GPU: first that it is right there, then how fast, then the table.

    python -m benchmarks.gpu [--quick] [--device cuda|cpu] [--model FOLDER] [--results FILE]

Weights are random unless a folder is given. Without a CUDA device it says so, measures nothing and ends with 0;
``--device cpu --quick`` is for testing the program, at a tiny size.

recipe   a whole run of one million sentences of 6 to 30 words, batch 64, length 32, with reading and writing
rate     operations of a step at batch 512, all texts 32 tokens long, over its time; and that over the machine's rate of
         matrix products in bf16, which is measured in the same run
rivals   sentence-transformers' trainer on the same texts: at its default, and at its best (bf16, flash attention, which
         goes without padding), where that attention is installed
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_checks import Check, checks
from benchmarks.random_bert import BASE, TINY, Size, sentences, write_bert

NO_DEVICE = "not measured: no CUDA device"
LENGTH = 32
#: Words of a sentence; BERT adds two tokens.
WORDS = (6, LENGTH - 2)


@dataclass(frozen=True)
class Plan:
    """How much is done."""

    size: Size
    recipe_rows: int
    batch: int
    large_batch: int
    steps: int
    warm_up: int
    matrix: int


WHOLE = Plan(size=BASE, recipe_rows=1_000_000, batch=64, large_batch=512, steps=60, warm_up=20, matrix=8192)
FEW = Plan(size=BASE, recipe_rows=20_000, batch=64, large_batch=512, steps=20, warm_up=10, matrix=4096)
SMALL = Plan(size=TINY, recipe_rows=64, batch=8, large_batch=16, steps=4, warm_up=2, matrix=64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps; on a CPU also a tiny model")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to test the program")
    parser.add_argument("--model", type=Path, help="a folder; else random weights of BERT-base's size")
    parser.add_argument("--results", type=Path, help="append the rows to this file, a line of JSON each")
    given = parser.parse_args()
    if given.device == "cpu" and not given.quick:
        parser.error("--device cpu is for testing the program: add --quick")
    rows = measure(quick=given.quick, device=given.device, model=given.model)
    for row in rows:
        print(json.dumps(row))
    if given.results:
        with given.results.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return 1 if any("NOT RIGHT" in row["note"] for row in rows) else 0


def measure(*, quick: bool, device: str = "cuda", model: Path | None = None) -> list[dict[str, Any]]:
    """The rows: of the checks, and where all of them hold, of the timings."""
    if device != "cpu" and not torch.cuda.is_available():
        return [_row("training on a GPU", note=NO_DEVICE)]
    plan = SMALL if device == "cpu" else FEW if quick else WHOLE
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        path = model or write_bert(Path(folder, "model"), plan.size)
        return list(_measure(plan, device, path, Path(folder)))


def _measure(plan: Plan, device: str, model: Path, folder: Path) -> list[dict[str, Any]]:
    from contrapose.encoder.encoder import Encoder

    encoder = Encoder.load(model, max_length=LENGTH, head="none").to(device)
    few = sentences(plan.size, 32, *WORDS)
    found = list(checks(encoder, few))
    rows = [_of_check(check) for check in found]
    if not all(check.holds for check in found):
        return rows
    passes = _attention_ratio(encoder, plan)
    del encoder
    rate = matrix_rate(device, plan.matrix)
    rows.append(_row("matrix products in bf16, TFLOP/s", measured=rate / 1e12, note=_machine(device)))
    rows.append(passes)
    rows += _large_batch(plan, device, model, folder, rate)
    return rows + _recipe(plan, device, model, folder, rate)


def matrix_rate(device: str, size: int) -> float:
    """Operations per second of a square product in bf16: the best of several."""
    left, right = torch.randn(2, size, size, device=device, dtype=torch.bfloat16)
    seconds = [_timed(lambda: left @ right, device) for _ in range(12)]
    return 2 * size**3 / min(seconds)


def _timed(call: Callable[[], object], device: str) -> float:
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def _attention_ratio(encoder: Any, plan: Plan) -> dict[str, Any]:
    """A pass forward and backward with padding and without, by turns."""
    from contrapose.encoder import unpadded

    token_ids = encoder.token_ids(sentences(plan.size, 2 * plan.batch, *WORDS))
    encoder.train()
    device = str(encoder.device)

    def one_pass() -> None:
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=device != "cpu"):
            encoder.pooled(token_ids).square().sum().backward()
        encoder.zero_grad(set_to_none=True)

    seconds: dict[str, list[float]] = {"sdpa": [], unpadded.NAME: []}
    for _ in range(plan.warm_up + plan.steps):
        for name, taken in seconds.items():
            encoder.use_attention(name)
            taken.append(_timed(one_pass, device))
    middle = {name: statistics.median(taken[plan.warm_up :]) for name, taken in seconds.items()}
    return _row(
        "attention without padding, its time over that with padding",
        measured=middle[unpadded.NAME] / middle["sdpa"],
        note=f"{2 * plan.batch} texts, forward and backward: {1e3 * middle['sdpa']:.2f} ms with padding",
    )


def _large_batch(plan: Plan, device: str, model: Path, folder: Path, rate: float) -> list[dict[str, Any]]:
    batch = plan.large_batch
    texts = sentences(plan.size, batch * (plan.steps + plan.warm_up), LENGTH - 2, LENGTH - 2)
    step, _ = _train(texts, plan, batch, device, model, folder / "large")
    share = plan.size.operations(2 * batch, LENGTH) / step / rate
    return [
        _row(
            f"batch {batch}, share of the bf16 matrix rate",
            predicted=0.5,
            measured=share,
            note=f"{1e3 * step:.1f} ms a step, {2 * batch} texts of {LENGTH} tokens",
        )
    ]


def _recipe(plan: Plan, device: str, model: Path, folder: Path, rate: float) -> list[dict[str, Any]]:
    from benchmarks.rivals import sentence_transformers

    texts = sentences(plan.size, plan.recipe_rows, *WORDS)
    step, seconds = _train(texts, plan, plan.batch, device, model, folder / "recipe")
    batches = [
        texts[start : start + plan.batch]
        for start in range(0, plan.batch * (plan.steps + plan.warm_up), plan.batch)
        if start + plan.batch <= len(texts)
    ]
    tokens = sum(len(text.split()) + 2 for batch in batches for text in batch) / len(batches) / plan.batch
    floor = plan.size.operations(2 * plan.batch, round(tokens)) / rate
    name = f"step of batch {plan.batch}, ms"
    cuda = device != "cpu"
    settings: dict[str, dict[str, Any]] = {"at its default": {"bf16": False}}
    if cuda:
        settings["at its best"] = {"bf16": True, "attention": "flash_attention_2"}
    rivals, notes = {}, {}
    for rival, chosen in settings.items():
        try:
            times = sentence_transformers(batches, plan.warm_up, model=str(model), device=device, **chosen)
        except (
            ImportError,
            ValueError,
            RuntimeError,
        ) as error:  # its words for an attention that is not installed
            notes[rival] = f"sentence-transformers {rival} not measured: {str(error).splitlines()[0]}"
            continue
        if times is None:
            notes[rival] = "sentence-transformers is not installed"
        else:
            rivals[rival] = statistics.mean(times)
    rows = [
        _row(name, measured=1e3 * step, floor=1e3 * floor, times_floor=step / floor, note=_machine(device))
    ]
    for rival in settings:
        taken = rivals.get(rival)
        told = f"sentence-transformers {rival}: {settings[rival]}"
        rows.append(
            _row(
                f"{name}, against sentence-transformers {rival}",
                measured=1e3 * step,
                rival=None if taken is None else 1e3 * taken,
                note=notes.get(rival, told),
            )
        )
    rows.append(
        _row(
            f"whole run of {plan.recipe_rows:,} sentences, minutes",
            predicted=3.0 * plan.recipe_rows / WHOLE.recipe_rows,
            measured=seconds / 60,
            floor=floor * (plan.recipe_rows // plan.batch) / 60,
            times_floor=seconds / (floor * (plan.recipe_rows // plan.batch)),
            note=f"{plan.recipe_rows // plan.batch:,} steps, with reading the text and writing the model",
        )
    )
    return rows


def _train(
    texts: Sequence[str], plan: Plan, batch: int, device: str, model: Path, folder: Path
) -> tuple[float, float]:
    """Seconds of a step after the first ones, on average, and of the whole run."""
    import contrapose

    folder.mkdir()
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(texts) + "\n", encoding="utf-8")
    steps = len(texts) // batch
    began = time.perf_counter()
    contrapose.train(
        corpus, out=folder / "run", model=model, method="simcse", steps=steps, batch_size=batch, max_length=LENGTH,
        device=device, criterion="none", held_out_rows=0, blend=1, save_every=steps,
    )  # fmt: skip
    whole = time.perf_counter() - began
    lines = (folder / "run" / "timings.jsonl").read_text(encoding="utf-8").splitlines()
    seconds = [row["seconds"] for row in map(json.loads, lines) if "seconds" in row]
    return statistics.mean(seconds[min(plan.warm_up, len(seconds) - 1) :]), whole


def _of_check(check: Check) -> dict[str, Any]:
    note = "nothing to check here" if check.difference is None else "right" if check.holds else "NOT RIGHT"
    return _row(f"check: {check.name}", predicted=check.most, measured=check.difference, note=note)


def _machine(device: str) -> str:
    name = "CPU, to test the program" if device == "cpu" else torch.cuda.get_device_name(device)
    return f"{name}, torch {torch.__version__}"


def _row(name: str, **known: Any) -> dict[str, Any]:
    empty = {
        "predicted": None,
        "measured": None,
        "floor": None,
        "times_floor": None,
        "rival": None,
        "note": "",
    }
    return {"name": name, **empty, **known}


if __name__ == "__main__":
    raise SystemExit(main())
