"""A kind of text in two: what is trained on, and lines that no run sees, by which models are judged without labels.

FOLDER/corpus/                     the text as it was read: clean, distinct, counted
FOLDER/training-FINGERPRINT.jsonl  the rows of the corpus of that fingerprint without those that are held out
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.probes import FEWEST_PAIRS, MIN_WORDS
from contrapose.listening import Listener
from contrapose.selection.criterion import LabelFree
from contrapose.selection.held_out import evaluated_rows, texts_and_probes
from contrapose.selection.label_free import FEWEST_TEXTS
from contrapose.storage.durable import atomic_file
from contrapose.storage.locks import turn
from contrapose.storage.syscalls import reporting

#: Rows that are held out: a tenth of a text that is trained on, where that is less.
HELD_OUT_ROWS = 1_000
#: The number that judges without labels, and one that is easier to imagine.
GAIN, FOUND = "expected gain", "partner found (MRR)"
#: Options of a run that decide which rows a corpus has.
READING = ("columns", "min_words", "max_characters", "deduplicate", "max_bad_share")
#: Rows read at once where a corpus is written out again.
_BLOCK = 10_000


@dataclass(frozen=True)
class HeldOutText:
    """One kind of text. columns: the held-out rows that are looked at; training: the file of all others, or None."""

    name: str
    columns: Mapping[str, Sequence[str]]
    training: Path | None

    def criterion(self, listener: Listener) -> LabelFree:
        """What judges models by these rows, without labels."""
        return LabelFree(self.columns, listener)


def held_out_text(
    name: str,
    sources: Sequence[str],
    folder: Path,
    reading: Mapping[str, Any],
    listener: Listener,
    *,
    is_trained_on: bool,
) -> HeldOutText:
    """Read the text into ``folder``, once, and split it. The same rows are held out whatever the seed of a run.

    Raises :class:`UsageError` where too little is left to judge by, and the errors of reading.
    """
    with reporting(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    with turn(folder), listener.task(f"reading {name}"):
        corpus = build_corpus(sources, folder / "corpus", **reading)
        most = len(corpus) // 10 if is_trained_on else len(corpus) - 1
        training, held_out = corpus.split_held_out(min(HELD_OUT_ROWS, most), seed=0)
        columns = evaluated_rows(corpus.take(held_out)) if len(held_out) else {}
        texts, probes = texts_and_probes(columns)
        if not probes or len(texts) < FEWEST_TEXTS:
            share = "a tenth of all" if is_trained_on else "all but one"
            raise UsageError(
                f"{name} has {len(texts)} texts to judge by ({share}), too few or too short: {FEWEST_TEXTS} are "
                f"needed, {FEWEST_PAIRS} of them of {MIN_WORDS} words or more, or with a title. Give more text"
            )
        # Named after its corpus: the folder may hold what an earlier reading, of other files or by other rules, left.
        path = folder / f"training-{corpus.fingerprint[:16]}.jsonl" if is_trained_on else None
        if path is not None and not path.exists():
            with atomic_file(path) as file:
                file.writelines(_lines(corpus, training))
    return HeldOutText(name, columns, path)


def _lines(corpus: Corpus, rows: np.ndarray) -> Iterator[bytes]:
    for start in range(0, len(rows), _BLOCK):
        columns = corpus.take(rows[start : start + _BLOCK])
        for row in zip(*columns.values(), strict=True):
            yield (json.dumps(dict(zip(columns, row, strict=True))) + "\n").encode("ascii")


def label_free_values(
    text: HeldOutText, criterion: LabelFree, encoder: Any, precision: str
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """What an encoder gives the held-out pairs, as a trial keeps it: values by name, and per-example scores."""
    values: dict[str, dict[str, Any]] = {}
    evidence: dict[str, np.ndarray] = {}
    for measure, scores_N in zip((GAIN, FOUND), criterion.per_row(encoder, precision), strict=True):
        scores, name = PerExampleScores("mean", scores_N), f"{text.name}: {measure}"
        interval = scores.interval()
        values[name] = {
            "metric": measure,
            "protocol": f"held-out rows of {text.name}",
            "value": round(scores.value(), 4),
            "low": interval.low,
            "high": interval.high,
            "rows": len(scores),
            "data": "",
        }
        evidence |= scores.to_arrays(name, measure)
    return values, evidence
