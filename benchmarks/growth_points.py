"""One point of a growth curve: seconds and memory of one piece of work at one size; run in a process of its own.

    python -m benchmarks.growth_points KIND SIZE FOLDER           prints {"seconds": ..., "peak_MB": ...}

Seconds are without imports; memory is the most that the process held beyond what it held before the work, without
files that are mapped. FOLDER is shared by the points of one curve: what a smaller one wrote is there for the next.
"""

from __future__ import annotations

import inspect
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.neighbours import MEGABYTE, Peak, anonymous

WIDTH, BATCH = 64, 256
#: A short call is repeated until it has taken so many seconds.
LONG_ENOUGH = 0.3
#: The size of the call before the measured one.
SMALL = 64
Work = Callable[[], object]
_WORDS = (
    *(
        "river",
        "stone",
        "market",
        "winter",
        "signal",
        "garden",
        "letter",
        "engine",
        "copper",
        "shadow",
        "planet",
    ),
    *("harbour", "method", "camera", "silver", "forest", "number", "window", "travel", "answer", "bridge"),
)


def text_file(folder: Path, rows: int) -> Path:
    """So many lines, every tenth of which repeats an earlier one."""
    path = folder / f"{rows}.txt"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            for row in range(rows):
                number = row if row % 10 else row // 2 | 1
                words = " ".join(_WORDS[number // 7**place % len(_WORDS)] for place in range(5))
                file.write(f"{words} {number}\n")
    return path


def build(rows: int, folder: Path) -> Work:
    """Reading, normalising, leaving duplicates out, writing, and the fingerprint."""
    from contrapose.data.corpus import build_corpus

    path = text_file(folder, rows)
    return lambda: build_corpus(path, folder / f"corpus-{rows}", reuse=False)


def first_batch(rows: int, folder: Path) -> Work:
    """Reopening a corpus that was built, and 64 rows in random order."""
    from contrapose.data.corpus import Corpus, build_corpus
    from contrapose.seeds import permute

    place = folder / f"corpus-{rows}"
    if not place.exists():
        build_corpus(text_file(folder, rows), place)

    def work() -> None:
        corpus = Corpus.open(place)
        corpus.take(permute(np.arange(64) % len(corpus), len(corpus), 0))

    return work


def encode(rows: int, folder: Path) -> Work:
    """All rows of a file into an array of vectors, by an encoder that is nearly nothing."""
    from contrapose.encoder.scratch import new_encoder
    from contrapose.use.encode import bulk_encode

    encoder = new_encoder(layers=1, width=32, heads=2, vocabulary="minilm").eval()
    path = text_file(folder, rows)
    return lambda: bulk_encode(encoder, [path], folder / "vectors.npy", overwrite=True)


def search(rows: int, folder: Path) -> Work:
    """The ten nearest of all rows, for 64 queries."""
    from contrapose.maths.nearest import nearest

    random = np.random.default_rng(0)
    rows_ND = random.standard_normal((rows, WIDTH), dtype=np.float32)
    queries_QD = random.standard_normal((64, WIDTH), dtype=np.float32)
    return lambda: nearest(queries_QD, rows_ND, 10)


def geometry(rows: int, folder: Path) -> Work:
    """What ``evaluate`` says of the space of the user's own texts, with its intervals."""
    from contrapose.evaluate.encoding import Encodings
    from contrapose.evaluate.geometry import GeometryTask

    texts = [f"text {row}" for row in range(rows)]
    vectors_ND = np.random.default_rng(0).standard_normal((rows, WIDTH), dtype=np.float32)

    def work() -> None:
        task = GeometryTask.on_texts(texts)
        task.score(Encodings(texts, vectors_ND, model="random"))

    return work


def _loss(method: str, rows: int, width: int, **options: object) -> Work:
    import contrapose

    random = torch.Generator().manual_seed(0)
    anchor, positive = (torch.randn(rows, width, generator=random).requires_grad_() for _ in range(2))

    def work() -> None:
        total = contrapose.loss(method, anchor, positive, **options).total  # type: ignore[arg-type]
        torch.autograd.grad(total, [anchor, positive])

    return work


def has_tiled() -> bool:
    """Whether losses can be computed without the table of all pairs."""
    from contrapose.objectives.catalogue import loss

    return "tiled" in inspect.signature(loss).parameters


def queue(size: int, folder: Path) -> Work:
    """SimCSE's loss with a full momentum queue of so many vectors."""
    from contrapose.contract import Views
    from contrapose.objectives.catalogue import recipe
    from contrapose.testing.toys import beside, supplies, tokens

    objective = recipe("simcse", ["momentum-queue"], {"momentum_queue_size": size}).build(width=WIDTH)
    objective.attach(supplies(objective.needs, WIDTH))
    random = torch.Generator().manual_seed(0)
    anchor, positive = (torch.randn(BATCH, WIDTH, generator=random).requires_grad_() for _ in range(2))
    views = beside(Views.pair(anchor, positive, tokens=tokens(BATCH, 0)), objective.needs)
    for _ in range(-(-size // BATCH)):
        objective.observe(views)
    return lambda: torch.autograd.grad(objective(views).total, [views.anchor, views.positive])


#: Kind of curve -> the work at a size. What it is measured against is in :data:`benchmarks.growth.CURVES`.
KINDS: dict[str, Callable[[int, Path], Work]] = {
    "build": build,
    "first-batch": first_batch,
    "encode": encode,
    "search": search,
    "geometry": geometry,
    "dense-loss": lambda size, _: _loss("simcse", size, WIDTH),
    "tiled-loss": lambda size, _: _loss("simcse", size, WIDTH, tiled=True),
    "width": lambda size, _: _loss("simcse", BATCH, size),
    "mixtures": lambda size, _: _loss("hncse-hnm", 64, WIDTH, k=size),
    "queue": queue,
}


def point(kind: str, size: int, folder: Path) -> dict[str, float]:
    """Seconds of one call (the median, where it is short) and the peak of memory beyond what was there before."""
    KINDS[kind](min(size, SMALL), folder)()  # what the first work of any size pays: imports, threads
    work = KINDS[kind](size, folder)
    before, peak = anonymous(), Peak(every=0.002)
    peak.start()
    seconds = [_timed(work)]
    while sum(seconds) < LONG_ENOUGH:
        seconds.append(_timed(work))
    peak.over.set()
    peak.join()
    return {"seconds": statistics.median(seconds), "peak_MB": max(0, peak.bytes - before) / MEGABYTE}


def _timed(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(point(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
