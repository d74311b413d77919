"""A SentEval folder in words that the tiny encoders know, and text to train them on: small enough for every test."""

from __future__ import annotations

import itertools
from pathlib import Path

from tests.tiny import SENTENCES


def write_senteval(root: Path, rows: int = 40) -> Path:
    """STS-B and SICK-R, test and dev; pairs that share words score higher."""
    pairs = list(itertools.islice(itertools.product(SENTENCES, reversed(SENTENCES)), 0, 7 * rows, 7))
    scored = [(a, b, _overlap(a, b)) for a, b in pairs]
    benchmark, sick = root / "STS" / "STSBenchmark", root / "SICK"
    benchmark.mkdir(parents=True)
    sick.mkdir()
    for split in ("test", "dev"):
        lines = [f"g\tf\t2015\t{i:04d}\t{score:.3f}\t{a}\t{b}" for i, (a, b, score) in enumerate(scored)]
        (benchmark / f"sts-{split}.csv").write_text("\n".join(lines) + "\n")
    header = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
    for name in ("SICK_test_annotated.txt", "SICK_trial.txt"):
        lines = [f"{i}\t{b}\t{a}\t{score:.2f}\tNEUTRAL" for i, (a, b, score) in enumerate(scored)]
        (sick / name).write_text("\n".join([header, *lines]) + "\n")
    return root


def write_corpus(path: Path, copies: int = 8) -> Path:
    path.write_text("".join(f"{text} number {place}\n" for place in range(copies) for text in SENTENCES))
    return path


def _overlap(first: str, second: str) -> float:
    mine, other = set(first.split()), set(second.split())
    return 5 * len(mine & other) / len(mine | other) + 0.01 * (len(first) + len(second)) / 2
