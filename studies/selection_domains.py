"""Domains: text without labels to train on, and a labelled task of the same text that says what training did.

Read from a folder of evaluation data (``general/``, ``senteval/``, ``corpora/<domain>/``); the Python documentation is
harvested from the standard library. Big tasks are cut to a fixed sample, so that many encoders can be judged: what is
compared is an encoder with the pretrained model, on the same rows.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from contrapose.errors import UsageError, nearest
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.labelled import JudgedTexts
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.results import Result
from contrapose.evaluate.task import OnData, Task
from contrapose.maths.nearest import nearest_others
from contrapose.seeds import numpy_generator

Item = TypeVar("Item")

#: Rows of a domain's text: to train on; kept apart to probe without labels: lines, documents.
TRAINING_ROWS, PROBE_LINES, PROBE_DOCUMENTS = 20_000, 1_000, 200
#: Rows of a labelled task that are judged.
PAIRS, CLASSED, QUERIES = 10_000, 4_000, 1_000


@dataclass(frozen=True, kw_only=True)
class Domain:
    """rows: texts by column, shuffled with a fixed seed; tasks: the labelled truth."""

    name: str
    rows: dict[str, list[str]]
    tasks: tuple[Task, ...]

    @property
    def has_pairs(self) -> bool:
        return len(self.rows) > 1

    @property
    def probe_rows(self) -> dict[str, list[str]]:
        """The rows that no run of the domain trains on."""
        return {name: texts[: self.num_probes] for name, texts in self.rows.items()}

    @property
    def num_probes(self) -> int:
        """Documents are long, and there are fewer of them."""
        return PROBE_DOCUMENTS if self.has_pairs else PROBE_LINES

    def write_training(self, path: Path) -> Path:
        """The other rows as json lines."""
        first = self.num_probes
        kept = {name: texts[first : first + TRAINING_ROWS] for name, texts in self.rows.items()}
        lines = (dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True))
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path


@dataclass(frozen=True, kw_only=True)
class NearestOfSameClass(OnData):
    """How often is the nearest other text of a text's own class? One value per text, so that encoders can be paired."""

    data: JudgedTexts

    def score(self, encodings: Encodings) -> list[Result]:
        label_N = np.array(self.data.labels)
        (nearest_N,) = nearest_others(encodings.of(self.data.first), 1).rows_QK.T
        return [
            Result.of_scores(
                PerExampleScores("mean", (label_N[nearest_N] == label_N).astype(float)),
                task=self.name,
                metric="nearest_of_same_class",
                protocol="nearest-class",
                rows=len(label_N),
                model=encodings.model,
                split="test",
                text="raw",
                details={},
            )
        ]


def read_domain(name: str, data: Path) -> Domain:
    """Read one of :data:`DOMAINS`. Raises :class:`UsageError` for an unknown one, DataError for missing files."""
    if name not in DOMAINS:
        raise UsageError(
            f"unknown domain '{name}'{nearest(name, tuple(DOMAINS))} Known: {', '.join(DOMAINS)}"
        )
    domain = DOMAINS[name](data)
    count = len(next(iter(domain.rows.values())))
    order = numpy_generator(0, "domain", name).permutation(count)
    return replace(
        domain, rows={column: [texts[row] for row in order] for column, texts in domain.rows.items()}
    )


def _sts(data: Path) -> Domain:
    from contrapose.evaluate.senteval import read_sts
    from contrapose.evaluate.sts import StsTask

    parts = [("STS-B", "dev"), ("STS13", "test"), ("STS16", "test")]
    tasks = [StsTask(data=read_sts([data / "senteval"], task, split)) for task, split in parts]
    return Domain(name="sts", rows=_lines(data / "corpora/general/wiki.txt.gz"), tasks=tuple(tasks))


def _retrieval(name: str, split: str, limit: int) -> Callable[[Path], Domain]:
    """Documents are titles and texts. Judged: a sample of queries over their documents and a sample of the others."""

    def read(data: Path) -> Domain:
        from contrapose.evaluate.beir import read_beir
        from contrapose.evaluate.retrieval import RetrievalTask

        folder = data / "corpora" / name
        whole = read_beir(folder, split)
        chosen = _sample(list(whole.queries), QUERIES, name)
        judged = {document for query in chosen for document in whole.gains[query]}
        others = [each for each in whole.documents if each not in judged]
        kept = judged | set(_sample(others, max(0, limit - len(judged)), name))
        sample = replace(
            whole,
            queries={query: whole.queries[query] for query in chosen},
            documents={each: text for each, text in whole.documents.items() if each in kept},
            gains={query: whole.gains[query] for query in chosen},
        )
        with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
            documents = [json.loads(line) for line in lines]
        full = [each for each in documents if each["title"].strip() and each["text"].strip()]
        rows = {column: [each[column] for each in full] for column in ("title", "text")}
        return Domain(name=name, rows=rows, tasks=(RetrievalTask(data=sample),))

    return read


def _judged(name: str, table: str, text: str) -> Callable[[Path], Domain]:
    def read(data: Path) -> Domain:
        from contrapose.evaluate.judged import PairsTask
        from contrapose.evaluate.labelled import read_judged

        folder = data / "corpora" / name
        whole = read_judged(folder / table, name)
        limit = PAIRS if whole.second else CLASSED
        chosen = _sample(range(len(whole)), limit, name)
        cut = replace(
            whole,
            first=tuple(whole.first[row] for row in chosen),
            second=tuple(whole.second[row] for row in chosen) if whole.second else (),
            labels=tuple(whole.labels[row] for row in chosen),
        )
        task: Task = PairsTask(data=cut) if cut.second else NearestOfSameClass(data=cut)
        return Domain(name=name, rows=_lines(folder / text), tasks=(task,))

    return read


def _python(data: Path) -> Domain:
    from contrapose.data.docstring_split import split_documented
    from contrapose.data.harvest import harvest_python
    from contrapose.evaluate.beir import RetrievalData
    from contrapose.evaluate.retrieval import RetrievalTask

    split = split_documented(harvest_python(("stdlib",)))
    pairs = split.description_questions
    asked = RetrievalData(
        task="python-docs",
        split="test",
        documents={f"d{row}": pair.positive for row, pair in enumerate(pairs)},
        queries={f"q{row}": pair.anchor for row, pair in enumerate(pairs)},
        gains={f"q{row}": {f"d{row}": 1} for row in range(len(pairs))},
        fingerprint="",
    )
    rows = {
        "title": [pair.anchor for pair in split.pairs],
        "text": [pair.positive for pair in split.pairs],
    }
    return Domain(name="python-docs", rows=rows, tasks=(RetrievalTask(data=asked),))


def _lines(path: Path) -> dict[str, list[str]]:
    """The distinct texts of a file, as many as are needed."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        texts = dict.fromkeys(line.decode().strip() for line in lines)
    return {"text": [text for text in texts if text][: 2 * TRAINING_ROWS]}


def _sample(items: Sequence[Item], size: int, name: str) -> list[Item]:
    """At most ``size`` of the items, drawn with a seed of the domain's own, in their order."""
    if len(items) <= size:
        return list(items)
    drawn = np.sort(numpy_generator(0, "sample", name).permutation(len(items))[:size])
    return [items[row] for row in drawn]


#: Name -> reader. The tasks: STS (Spearman), retrieval (nDCG@10), duplicates (average
#: precision), classes (share of texts whose nearest other text is of their class).
DOMAINS: dict[str, Callable[[Path], Domain]] = {
    "sts": _sts,
    "cranfield": _retrieval("cranfield", "test", 1_400),
    "medical-questions": _judged("medical-questions", "mqp.tsv", "sentences.txt.gz"),
    "python-docs": _python,
    "scifact": _retrieval("scifact", "train", 1_000),
    "banking77": _judged("banking77", "test.tsv", "sentences.txt"),
    "twitter-url": _judged("twitter-url", "test.tsv", "sentences.txt.gz"),
    "stackoverflow-titles": _judged("stackoverflow-titles", "test.tsv", "sentences.txt"),
}
