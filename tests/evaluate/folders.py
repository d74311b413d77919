"""Small data folders of every layout, with texts whose answer can be read off them: ``... 2.`` is of class 2."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from contrapose.evaluate.senteval_transfer import CLASS_FILES
from tests.evaluate.fakes import FakeEncoder


def write_transfer(root: Path, rows: int = 60) -> Path:
    """All seven tasks; the class of a text is its last number."""
    for task, files in CLASS_FILES.items():
        for label, name in enumerate(files):
            _lines(root / name, [f"{task} text {i} of class {label}." for i in range(rows)])
    for split, count in (("train", rows), ("dev", 30), ("test", 30)):
        texts = [f"SST {split} {i} of class {i % 2}.\t{i % 2}" for i in range(count)]
        _lines(root / f"SST/binary/sentiment-{split}", texts)
    for name, count in (("train_5500", 2 * rows), ("TREC_10", 30)):
        classes = ("ABBR", "DESC", "ENTY")
        _lines(
            root / f"TREC/{name}.label",
            [f"{classes[i % 3]}:fine {name} {i} of class {i % 3}." for i in range(count)],
        )
    for name, count in (("train", 2 * rows), ("test", 30)):
        # A pair is a paraphrase where both texts are of the same class.
        pairs = [
            f"{int(i % 2 == 0)}\t{i}\t{i}\t{name} left {i} of class 0.\t{name} right {i} of class {i % 2}."
            for i in range(count)
        ]
        _lines(root / f"MRPC/msr_paraphrase_{name}.txt", ["\ufeffQuality\t#1 ID\t#2 ID\ta\tb", *pairs])
    return root


def write_crosslingual(root: Path, rows: int = 11) -> Path:
    """The score of a pair is half the class of its second text; the first is of class 0."""
    lines = [f"{i / 2}\ten {i} of class 0.\tde {i} of class {i}." for i in range(rows)]
    _lines(root / "stsb/test.en-de.tsv", lines)
    _lines(root / "stsb/dev.en-de.tsv", lines[:5])
    _lines(root / "sick/trial.en-ja.tsv", [f"{line}\t3.0" for line in lines])
    _lines(root / "sts17/track1.ar-ar.tsv", lines)
    return root


def write_beir(root: Path, documents: int = 30, queries: int = 6) -> Path:
    """Query i asks for class i; document j is of class j % queries."""
    root.mkdir(parents=True, exist_ok=True)
    with gzip.open(root / "corpus.jsonl.gz", "wt") as file:
        for j in range(documents):
            file.write(
                json.dumps({"_id": f"d{j}", "title": f"doc {j}", "text": f"of class {j % queries}."}) + "\n"
            )
    records = [json.dumps({"_id": f"q{i}", "text": f"query {i} of class {i}."}) for i in range(queries + 1)]
    _lines(root / "queries.jsonl", records)
    judged = [f"q{j % queries}\td{j}\t1" for j in range(documents)]
    _lines(root / "qrels/test.tsv", ["query-id\tcorpus-id\tscore", *judged, f"q{queries}\td0\t0"])
    return root


def write_tables(root: Path, scored: int = 10) -> Path:
    _lines(root / "topics/test.tsv", [f"topic {i % 3}\ttitle {i} of class {i % 3}." for i in range(30)])
    _lines(
        root / "questions/test.tsv",
        [f"{int(i % 3 == 0)}\tq {i} of class 0.\tr {i} of class {int(i % 3 > 0)}." for i in range(30)],
    )
    _lines(
        root / "mine/scored.csv",
        [
            "sentence1,sentence2,score",
            *(f'"a, {i} of class 0.",b {i} of class {i}.,{scored - i}' for i in range(scored)),
        ],
    )
    return root


def by_class(classes: int = 12) -> FakeEncoder:
    """Vectors that say the class of a text and nothing else: all at different angles in a quarter circle."""

    def vector_of(text: str) -> np.ndarray:
        angle = int(text.rstrip(".").split()[-1]) / classes * np.pi / 2
        return 3.0 * np.array([np.cos(angle), np.sin(angle)])

    return FakeEncoder(vector_of)


def one_hot(classes: int = 12, repeated: int = 60) -> FakeEncoder:
    """The class of a text as directions of its own, so many that a classifier finds them in a few steps."""
    return FakeEncoder(lambda text: np.repeat(np.eye(classes)[int(text.rstrip(".").split()[-1])], repeated))


def _lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
