"""How long a command takes from nothing to its first result, beside what its libraries take to be imported.

    python -m benchmarks startup [--quick]

Each is a process of its own, several times in turns after one that warms the disk's cache; seconds are medians, and the
floor is a Python that imports what the command cannot do without.
"""

from __future__ import annotations

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

from benchmarks.rival_python import rival_python

CLI = ["-m", "contrapose"]
TORCH = ["-c", "import torch"]
MODEL_CODE = [
    "-c",
    "import gc, os; gc.disable(); import torch; import transformers.models.bert.modeling_bert; os._exit(0)",
]
#: The command without what it does about Python's searches for unreachable cycles.
AS_PYTHON_SEARCHES = [
    "-c", "import sys; from contrapose.cli.main import main; sys.exit(main(sys.argv[1:]))",
]  # fmt: skip
RIVAL = """
import sys
from sentence_transformers import SentenceTransformer
SentenceTransformer(sys.argv[1], device="cpu").encode(open(sys.argv[2]).read().splitlines())
"""
ROUNDS = 5


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """``--help``, ``encode`` of ten lines, ``evaluate`` of 40 pairs, ``train`` to its first step; and rivals."""
    from contrapose.encoder.source import resolve

    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as place:
        folder = Path(place)
        ten, text, pairs = write_inputs(folder)
        encode = ["encode", "minilm", str(ten), "-o", str(folder / "vectors.npy"), "--force", "-q"]
        commands = {
            "--help": [*CLI, "--help"],
            "encode": [*CLI, *encode],
            "searching": [*AS_PYTHON_SEARCHES, *encode],
            "evaluate": [*CLI, "evaluate", "minilm", "--pairs", str(pairs), "--json"],
            "import torch": TORCH,
            "model code": MODEL_CODE,
            "python": ["-c", "pass"],
        }
        rounds = 1 if quick else ROUNDS
        seconds = in_turns({name: [sys.executable, *each] for name, each in commands.items()}, rounds)
        first_step = statistics.median(train_to_first_step(text, folder / f"run-{n}") for n in range(rounds))
        python = rival_python("sentence_transformers")
        rival = None
        if python:
            ask = [python, "-c", RIVAL, str(resolve("minilm", None).folder), str(ten)]
            rival = in_turns({"rival": ask}, rounds)["rival"]
    floor = seconds["model code"]
    return [
        {"name": "contrapose --help, s", "predicted": "0.25 or less", "measured": seconds["--help"],
         "floor": seconds["python"], "note": "floor: a Python that does nothing"},
        {"name": "import torch, s", "measured": seconds["import torch"], "floor": seconds["python"]},
        {"name": "encode of ten lines, s", "predicted": "3 or less", "measured": seconds["encode"], "floor": floor,
         "rival": rival, "note": "floor: importing torch and BERT's code; rival: sentence-transformers, whole"
         if rival else "rival not measured: no Python with sentence-transformers (--rival-python)"},
        {"name": "encode of ten lines / the same as Python searches for cycles", "predicted": 0.67,
         "measured": seconds["encode"] / seconds["searching"]},
        {"name": "evaluate of 40 pairs, to its end, s", "predicted": "5 or less to its first batch",
         "measured": seconds["evaluate"], "floor": floor},
        {"name": "train, to the end of its first step, s", "predicted": "8 or less", "measured": first_step,
         "floor": floor, "note": "400 lines, batch of 64; building the corpus is inside"},
    ]  # fmt: skip


def write_inputs(folder: Path) -> tuple[Path, Path, Path]:
    """Ten lines, 400 lines, and 40 scored pairs."""
    lines = [
        f"Sentence {number} tells of {number * 7 % 31} things and of number {number}."
        for number in range(400)
    ]
    ten, text, pairs = folder / "ten.txt", folder / "text.txt", folder / "pairs.csv"
    ten.write_text("\n".join(lines[:10]) + "\n", encoding="utf-8")
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scored = (f"{number % 6},{lines[number]},{lines[-number - 1]}" for number in range(40))
    pairs.write_text("\n".join(["score,first,second", *scored]) + "\n", encoding="utf-8")
    return ten, text, pairs


def in_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Name -> the median of a command's seconds; the first round warms up and is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
            if number:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def train_to_first_step(text: Path, run: Path) -> float:
    """Seconds until the run's file of timings holds its first step; the run is ended then."""
    command: Sequence[str] = [
        sys.executable, *CLI, "train", str(text), "--out", str(run), "--model", "minilm", "--steps", "50",
        "--batch-size", "64", "--criterion", "none", "-q",
    ]  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    try:
        while process.poll() is None:
            if first_step_is_done(run / "timings.jsonl"):
                return time.perf_counter() - began
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    if process.returncode == 0:
        return time.perf_counter() - began
    raise SystemExit(f"{' '.join(command)} ended with {process.returncode} before its first step")


def first_step_is_done(timings: Path) -> bool:
    """A whole line of a step is there; a line that is still being written is none."""
    if not timings.exists():
        return False
    whole = timings.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return any("seconds" in json.loads(line) for line in whole)
