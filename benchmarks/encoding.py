"""Encoding: contrapose beside sentence-transformers, on every backend and in every precision that is here.

    python -m benchmarks.encoding                 with CONTRAPOSE_DATA for real sentences and STS
    CONTRAPOSE_RIVAL_PYTHON=PYTHON python -m benchmarks.encoding

Rivals run on the same texts in the same run. sentence-transformers' backends onnx and openvino need an older
transformers than contrapose: they are measured by the Python that CONTRAPOSE_RIVAL_PYTHON names, on folders exported
here. Each rival is given its best of several batch sizes. Ours is timed before and after its rival, and torch in fp32
beside each kind, since a machine that others share is not the same for ten minutes.

The floor is the number of operations of the network's matrix products over the rate at which one such product runs in
fp32 here, by the faster of torch's two libraries.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data import data_folder

ROWS, ROUNDS, QUICK_ROWS = 2_000, 3, 40
BATCH_SIZES = (16, 32, 64)
KINDS = (
    ("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("onnx", "int8"),
    ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"),
)  # fmt: skip
#: Expected seconds as a multiple of torch in fp32: the rates of products that this part was planned with.
PREDICTED = {
    ("torch", "fp32"): 1.0, ("torch", "bf16"): 0.6, ("onnx", "fp32"): 1.0, ("onnx", "int8"): 0.4,
    ("openvino", "fp32"): 1.0, ("openvino", "bf16"): 0.55, ("openvino", "int8"): 0.4,
}  # fmt: skip

RIVAL = """
import json, sys, time, statistics
import torch
from sentence_transformers import SentenceTransformer
folder, backend, name, precision, texts, threads, sizes, rounds = sys.argv[1:]
torch.set_num_threads(int(threads))
texts = json.load(open(texts))
options = {"file_name": name}
if backend == "torch":
    options = {"dtype": torch.bfloat16} if precision == "bf16" else {}
if backend == "openvino":
    options["ov_config"] = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}
model = SentenceTransformer(folder, backend=backend, device="cpu", model_kwargs=options)
taken = []
for size in map(int, sizes.split(",")):
    model.encode(texts[: 2 * size], batch_size=size)
    each = []
    for _ in range(int(rounds)):
        begun = time.perf_counter()
        model.encode(texts, batch_size=size, show_progress_bar=False)
        each.append(time.perf_counter() - begun)
    taken.append(statistics.median(each))
print("SECONDS", min(taken))
"""


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """A row per backend and precision: seconds, the floor, the rival's seconds, and what the check measured."""
    from contrapose.backends.export import export
    from contrapose.backends.kinds import graph_name
    from contrapose.backends.opening import open_encoder
    from contrapose.encoder.encoder import Encoder
    from contrapose.errors import ContraposeError

    texts = sentences(QUICK_ROWS if quick else ROWS)
    rounds = 1 if quick else ROUNDS
    encoder = Encoder.load("minilm")
    floor = operations(encoder, texts) / rate()
    data = None if quick or data_folder() is None else data_folder() / "senteval"  # type: ignore[operator]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("CONTRAPOSE_CACHE", str(Path(scratch, "cache")))
        for backend, precision in KINDS:
            try:
                opened = open_encoder(
                    encoder, backend=backend, precision=precision, sample=texts, max_loss=100, data=data
                )

                def ours(opened: Any = opened, precision: str = precision) -> object:
                    return opened.encoder.encode(texts, precision=precision)

                base = timed(lambda: encoder.encode(texts), rounds)
                before = taken(ours, rounds)
                folder, name = Path(scratch, backend), ""
                if backend != "torch":
                    if not folder.exists():
                        export(encoder, folder, format=backend, int8=True, sample=texts, max_loss=100)
                    name = graph_name(backend, int8=precision == "int8")
                elif not folder.exists():
                    encoder.save(folder)
                rival = rival_seconds(folder, backend, name, precision, texts, rounds)
                seconds = statistics.median([*before, *taken(ours, rounds)])
            except ContraposeError as error:
                rows.append({"name": f"encode {backend} {precision}", "measured": None, "note": str(error)})
                continue
            rows.append(
                {
                    "name": f"encode {backend} {precision}",
                    "predicted": PREDICTED[backend, precision] * base,
                    "measured": seconds,
                    "floor": floor,
                    "times_floor": seconds / floor,
                    "rival": rival,
                    "note": note(opened.checked, seconds, base, rival),
                }
            )
    return rows


def note(checked: Any, seconds: float, base: float, rival: float | None) -> str:
    """In words: the ratio to torch in fp32 and to the rival, and what the check found."""
    words = [f"{base / seconds:.2f} times torch fp32"]
    words.append(
        "rival not measured" if rival is None else f"{rival / seconds:.2f} times sentence-transformers"
    )
    if checked is not None:
        words.append(f"mean cosine {checked.cosine_mean:.4f}")
        sts = checked.sts_before is not None
        words.append(f"STS {checked.sts_after - checked.sts_before:+.2f}" if sts else "STS not measured")
    return "; ".join(words)


def sentences(rows: int) -> list[str]:
    """Wikipedia's where there is data, else sentences made of words."""
    import gzip

    folder = data_folder()
    corpus = None if folder is None else folder / "corpora/general/wiki.txt.gz"
    if corpus is not None and corpus.exists():
        with gzip.open(corpus, "rt", encoding="utf-8") as file:
            return [line.strip() for _, line in zip(range(rows), file, strict=False)]
    generator = np.random.default_rng(0)
    words = [
        "the",
        "a",
        "cat",
        "train",
        "market",
        "of",
        "in",
        "river",
        "and",
        "bank",
        "reads",
        "music",
        "is",
        "over",
        "law",
        "city",
        "plays",
    ]
    return [" ".join(generator.choice(words, size=int(generator.integers(6, 40)))) for _ in range(rows)]


def operations(encoder: Any, texts: list[str]) -> float:
    """Of all matrix products: two per weight and token, and the attention's."""
    linear = sum(
        layer.weight.numel() for layer in encoder.backbone.modules() if isinstance(layer, torch.nn.Linear)
    )
    lengths = np.array([len(ids) for ids in encoder.token_ids(texts)], dtype=np.float64)
    layers = encoder.backbone.config.num_hidden_layers
    return float((2 * linear * lengths + 4 * layers * encoder.width * lengths**2).sum())


def rate() -> float:
    """Operations a second of one fp32 product of the network's shapes, by the faster library."""
    from contrapose.encoder.fast_products import linear, pays_here

    layer, given = torch.nn.Linear(384, 1536), torch.randn(1024, 384)
    ways: list[Callable[[], object]] = [lambda: layer(given)]
    if pays_here():
        ways.append(lambda: linear(layer, given))
    with torch.inference_mode():
        seconds = min(timed(way, 20) for way in ways)
    return 2.0 * 1024 * 384 * 1536 / seconds


def timed(action: Callable[[], object], rounds: int) -> float:
    """Median seconds, after one that is not counted."""
    return statistics.median(taken(action, rounds))


def taken(action: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round, after one that is not counted."""
    action()
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return seconds


def rival_seconds(
    folder: Path, backend: str, name: str, precision: str, texts: list[str], rounds: int
) -> float | None:
    """Of sentence-transformers at its best batch size; None where it cannot be run."""
    own = sys.executable if backend == "torch" else ""
    python = os.environ.get("CONTRAPOSE_RIVAL_PYTHON", own)
    if not python:
        return None
    listed = folder.with_name("texts.json")
    listed.write_text(json.dumps(texts))
    sizes = ",".join(map(str, BATCH_SIZES))
    threads = str(torch.get_num_threads())
    arguments = [str(folder), backend, name, precision, str(listed), threads, sizes, str(rounds)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", RIVAL, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    return float(found[-1].split()[1]) if done.returncode == 0 and found else None


if __name__ == "__main__":
    for row in measure(quick="--quick" in sys.argv):
        print(json.dumps(row))
