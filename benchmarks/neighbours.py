"""Neighbours of every sentence of a corpus: time, and the memory that the search takes, by the size of the corpus.

    python -m benchmarks.neighbours --rows 62500,125000,250000        with CONTRAPOSE_DATA, or on --text FILE

Each size is searched in a process of its own, so that its peak is its own. Vectors are random projections of each
sentence's words, of minilm's width: what is measured is the search (text/neighbours.py), not the encoder.
``peak MB`` is what the search adds to the process's own memory, ``vectors MB`` lies in a file, and ``all pairs MB`` is
what a table of all rows against all would take.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.data import data_folder, own_corpus

WIDTH = 384
MEGABYTE = 1 << 20
COLUMNS = {
    "rows": "rows", "searched": "searched", "seconds": "seconds", "processor_seconds": "CPU seconds",
    "peak_MB": "peak MB", "kept_MB": "kept MB", "vectors_MB": "vectors MB", "all_pairs_MB": "all pairs MB",
}  # fmt: skip


class Peak(threading.Thread):
    """The largest memory of its own that the process has while the thread runs; mapped files are not counted."""

    def __init__(self, every: float = 0.05) -> None:
        super().__init__(daemon=True)
        self.bytes, self.every, self.over = 0, every, threading.Event()

    def run(self) -> None:
        while not self.over.wait(self.every):
            self.bytes = max(self.bytes, anonymous())


def anonymous() -> int:
    """Bytes of memory of this process that lie in no file (Linux)."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")
    )
    return int(line.split()[1]) * 1024


def write_vectors(texts: list[str], path: Path) -> np.ndarray:
    """(N, WIDTH) in a mapped file: the sum of a random vector for each word."""
    vectors_ND: np.ndarray = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float32, shape=(len(texts), WIDTH)
    )
    of_word: dict[str, np.ndarray] = {}
    for row, text in enumerate(texts):
        for word in text.lower().split():
            if word not in of_word:
                seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
                of_word[word] = np.random.default_rng(seed).standard_normal(WIDTH, dtype=np.float32)
            vectors_ND[row] += of_word[word]
    return vectors_ND


class Texts:
    columns = ("text",)

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, row_ids: np.ndarray) -> dict[str, list[str]]:
        return {"text": [self.texts[row] for row in row_ids]}


def prepare(text: Path, rows: int, place: Path) -> None:
    """The corpus and its vectors in files; in a process of its own, whose memory is gone afterwards."""
    from contrapose.data.corpus import build_corpus

    built = build_corpus(text, place / "corpus")
    (texts,) = built.take(np.arange(min(rows, len(built)))).values()
    write_vectors(texts, place / "vectors.npy")


def search(place: Path, neighbours: int, by: str, queries: int | None) -> dict[str, float]:
    """The search of ``neighbours`` for the first ``queries`` rows, among all; run in a process of its own."""
    from contrapose.data.corpus import Corpus
    from contrapose.text.neighbours import keys_of, neighbours_in_blocks

    built = Corpus.open(place / "corpus")
    vectors_ND = np.lib.format.open_memmap(place / "vectors.npy", mode="r")
    numbers = np.arange(len(vectors_ND))
    before, began, worked = anonymous(), time.perf_counter(), time.process_time()
    peak = Peak()
    peak.start()
    keys_N = keys_of(built, numbers)
    kept_NK = np.full((len(numbers), neighbours), -1, dtype=np.int32)
    searched = 0
    for block, near in neighbours_in_blocks(vectors_ND, keys_N, neighbours, by=by):
        kept_NK[block] = near.rows_QK
        searched += len(near.rows_QK)
        if queries is not None and searched >= queries:
            break
    peak.over.set()
    peak.join()
    return {
        "rows": len(numbers),
        "searched": searched,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - worked,
        "peak_MB": (peak.bytes - before) / MEGABYTE,
        "kept_MB": (kept_NK.nbytes + keys_N.nbytes) / MEGABYTE,
        "vectors_MB": vectors_ND.nbytes / MEGABYTE,
        "all_pairs_MB": len(numbers) ** 2 * 4 / MEGABYTE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="62500,125000,250000")
    parser.add_argument("--neighbours", type=int, default=64)
    parser.add_argument("--by", choices=("exact", "faiss"), default="exact")
    parser.add_argument("--queries", type=int, help="search for so many rows only: each block costs the same")
    parser.add_argument("--text", type=Path, help="lines of text in place of Wikipedia's sentences")
    parser.add_argument(
        "--stage", nargs=2, help=argparse.SUPPRESS
    )  # in a process of its own: which, and where
    given = parser.parse_args()
    if given.stage:
        stage, place = given.stage[0], Path(given.stage[1])
        if stage == "prepare":
            prepare(given.text, int(given.rows), place)
        else:
            print(json.dumps(search(place, given.neighbours, given.by, given.queries)))
        return
    print("".join(f"{name:>14}" for name in COLUMNS.values()))
    for rows in given.rows.split(","):
        with tempfile.TemporaryDirectory() as folder:
            text = given.text or own_corpus(data_folder(), Path(folder))
            command = [sys.executable, "-m", "benchmarks.neighbours", "--rows", rows, "--text", str(text)]
            command += ["--neighbours", str(given.neighbours), "--by", given.by]
            command += ["--queries", str(given.queries)] if given.queries else []
            for stage in ("prepare", "search"):
                done = subprocess.run(
                    [*command, "--stage", stage, folder], stdout=subprocess.PIPE, text=True, check=True
                )
            told = json.loads(done.stdout)
            print("".join(f"{told[name]:>14,.0f}" for name in COLUMNS), flush=True)


if __name__ == "__main__":
    main()
