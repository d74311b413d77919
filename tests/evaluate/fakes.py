"""Encoders whose scores are known beforehand, and SentEval folders small enough to write in a test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contrapose.evaluate.senteval import YEARS, read_sts


class FakeEncoder:
    """Records how it was called. ``kind``: "constant", "random" (by text), or "oracle" (see :func:`oracle`)."""

    name = "fake"

    def __init__(self, vector_of) -> None:
        self.vector_of = vector_of
        self.calls: list[list[str]] = []
        self.options: list[dict] = []

    def encode(self, texts: Sequence[str], **options) -> np.ndarray:
        self.calls.append(list(texts))
        self.options.append(options)
        return np.array([self.vector_of(text) for text in texts], dtype=np.float32)

    def fingerprint(self) -> str:
        return "fake-fingerprint"


def constant() -> FakeEncoder:
    return FakeEncoder(lambda text: np.full(16, 0.3))


def random_directions(width: int = 16) -> FakeEncoder:
    def vector_of(text: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
        return np.random.default_rng(seed).standard_normal(width)

    return FakeEncoder(vector_of)


def oracle(folder: Path, tasks: Sequence[str] = ("STS-B",), split: str = "test") -> FakeEncoder:
    """Each pair gets two vectors at an angle that falls with its gold score; needs texts that occur once."""
    vectors: dict[str, np.ndarray] = {}
    for task in tasks:
        for part in read_sts(folder, task, split).subsets:
            for first, second, gold in zip(part.first, part.second, part.gold, strict=True):
                angle = (5.0 - gold) / 5.0 * np.pi / 2
                vectors[first] = np.array([1.0, 0.0])
                vectors[second] = 7.0 * np.array([np.cos(angle), np.sin(angle)])
    return FakeEncoder(lambda text: vectors[text])


def write_year(root: Path, task: str, rows: int = 6, *, unscored: Sequence[int] = (2,)) -> Path:
    folder = root / "STS" / f"{task}-en-test"
    folder.mkdir(parents=True)
    for part_number, part in enumerate(YEARS[task]):
        inputs = [f"{task} {part} left {i}.\t{task} {part} right {i}." for i in range(rows)]
        gold = ["" if i in unscored else f"{(i * 7 + part_number) % 6 * 0.8:.3f}" for i in range(rows)]
        (folder / f"STS.input.{part}.txt").write_text("\n".join(inputs) + "\n", encoding="utf-8")
        (folder / f"STS.gs.{part}.txt").write_text("\n".join(gold) + "\n", encoding="utf-8")
    return folder


def write_benchmark(root: Path, split: str = "test", rows: int = 12) -> Path:
    folder = root / "STS" / "STSBenchmark"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f'genre\tfile\t2015\t{i:04d}\t{i * 5 / (rows - 1):.3f}\t{split} "left {i}\t{split} right {i}.'
        + ("\tsource\tsource" if i % 3 == 0 else "")
        for i in range(rows)
    ]
    (folder / f"sts-{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / f"sts-{split}.csv"


def write_sick(root: Path, file: str = "SICK_test_annotated.txt", rows: int = 5) -> Path:
    (root / "SICK").mkdir(parents=True, exist_ok=True)
    lines = ["pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"]
    lines += [
        f"{i}\tA is {i}\tB is {i}\t{1 + i * min(0.9, 4 / (rows - 1)):.3g}\tNEUTRAL" for i in range(rows)
    ]
    (root / "SICK" / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "SICK" / file
