"""What a study is run on in tests: a tiny encoder, two small corpora, STS of a few pairs, and one across languages."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from studies.runs import Setup
from tests.tiny import SENTENCES
from tests.train.runs import plain_bert

PAIRS = 24


def write_inputs(folder: Path) -> Path:
    """``model``, ``text.txt``, ``other.txt``, ``data`` (SentEval) and ``across`` below ``folder``."""
    plain_bert(folder / "model")
    for seed, name in enumerate(("text", "other")):
        sentences = _sentences(80, seed)
        (folder / f"{name}.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    _write_sts(folder / "data")
    rows = "".join(f"{i % 6}\t{left}\t{right}\n" for i, (left, right) in enumerate(_pairs(9)))
    for name in ("stsb/dev.en-de.tsv", "sts17/track1.ar-ar.tsv"):
        path = folder / "across" / name
        path.parent.mkdir(parents=True)
        path.write_text(rows, encoding="utf-8")
    return folder


def setup_in(inputs: Path, out: Path, **changes: Any) -> Setup:
    """Two steps of eight sentences each."""
    given: dict[str, Any] = {
        "corpora": (str(inputs / "text.txt"),),
        "data": (str(inputs / "data"), str(inputs / "across")),
        "model": str(inputs / "model"),
        "steps": 2,
        "seeds": 2,
        "batch_size": 8,
        "max_length": 16,
    }
    return Setup(out=out, **{**given, **changes})


def _write_sts(root: Path) -> None:
    sts = root / "STS/STSBenchmark/sts-dev.csv"
    sick = root / "SICK/SICK_trial.txt"
    for path in (sts, sick):
        path.parent.mkdir(parents=True)
    pairs = _pairs(PAIRS)
    sts.write_text(
        "".join(
            f"main\tfile\t2020\t{i}\t{i % 6}\t{left}\t{right}\n" for i, (left, right) in enumerate(pairs)
        ),
        encoding="utf-8",
    )
    header = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    sick.write_text(
        header
        + "".join(f"{i}\t{left}\t{right}\t{1 + i % 5}\tNEUTRAL\n" for i, (left, right) in enumerate(pairs)),
        encoding="utf-8",
    )


def _pairs(count: int) -> list[tuple[str, str]]:
    sentences = _sentences(2 * count, seed=7)
    return list(zip(sentences[:count], sentences[count:], strict=True))


def _sentences(count: int, seed: int) -> list[str]:
    drawn = random.Random(seed)
    words = " ".join(SENTENCES).split()
    return [" ".join(drawn.choices(words, k=8)) for _ in range(count)]
