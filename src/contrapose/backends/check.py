"""What another backend or precision costs, measured against the original before it is used.

cosine      of the two vectors of a text, over a sample of your text: mean and smallest
neighbours  the share of ten nearest texts of the sample that are the same
found       how well parts of your texts find each other (evaluate/probes.py): mean reciprocal rank, times 100
STS         Spearman's correlation times 100 on the development pairs of STS-B, where a data folder is given

In fp32 a vector may differ by rounding alone. In a lower precision it is refused where the mean cosine is low, or where
STS or what is found falls by more than ``max_loss`` points; a fall of what is found counts where it is larger than
twice its standard error as well, since a sample of texts is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.encoder.encoder import Encoder
from contrapose.errors import EmptyCorpus, ModelError, UsageError
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.probes import Probe, probes_of
from contrapose.evaluate.retrieval_pairs import pair_retrieval, reciprocal_rank
from contrapose.evaluate.sts import sts_dev
from contrapose.evaluate.vectors import unit_rows
from contrapose.listening import Progress

#: Texts that are compared, at most; each is encoded twice, and its parts as well.
COMPARED = 256
#: Points of 100 that may be lost.
MAX_LOSS = 0.5
#: The least mean cosine. One of 0.99 leaves eight or nine of ten neighbours; a graph that is broken has far less.
LEAST_COSINE = {"fp32": 0.9999, "bf16": 0.99, "int8": 0.95}
NEAREST = 10
#: The question with which text of any kind answers: documents' sentences, else halves.
_PREFERRED = ("sentences", "halves")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was measured; None where there was nothing to measure it with."""

    backend: str
    precision: str
    texts: int
    cosine_mean: float
    cosine_least: float
    neighbours: float | None = None
    asked: str = ""
    found_before: float | None = None
    found_after: float | None = None
    found_se: float = 0.0
    sts_before: float | None = None
    sts_after: float | None = None

    def problem(self, max_loss: float = MAX_LOSS) -> str:
        """Why it may not be used; "" where it may."""
        least = LEAST_COSINE[self.precision]
        if not self.cosine_mean >= least:
            return f"the mean cosine with the original's vectors is {self.cosine_mean:.4f}, and {least} is the least"
        if self.sts_before is not None and self.sts_after is not None:
            lost = self.sts_before - self.sts_after
            if not lost <= max_loss:
                return f"STS falls by {lost:.2f} points, and {max_loss:g} may be lost"
        if self.found_before is not None and self.found_after is not None:
            lost = self.found_before - self.found_after
            if not lost <= max(max_loss, 2 * self.found_se):
                return (
                    f"how well {self.asked} of your text find each other falls by {lost:.2f} points, and {max_loss:g} "
                    "may be lost"
                )
        return ""

    def refuse(self, max_loss: float = MAX_LOSS) -> None:
        """:class:`ModelError` where it lost more than it may."""
        if problem := self.problem(max_loss):
            raise ModelError(
                f"{self.precision} by {self.backend} lost more than it may on {self.texts} of your texts: {problem}. "
                "Take another precision or backend, or allow more: --max-loss POINTS"
            )

    def rows(self) -> list[tuple[str, str, str, str]]:
        """(what, original, here, difference) for a table."""
        table = [
            ("cosine, mean", "1", f"{self.cosine_mean:.4f}", f"{self.cosine_mean - 1:+.4f}"),
            ("cosine, smallest", "1", f"{self.cosine_least:.4f}", f"{self.cosine_least - 1:+.4f}"),
        ]
        if self.neighbours is not None:
            kept = 100 * self.neighbours
            table.append((f"{NEAREST} neighbours kept, %", "100", f"{kept:.1f}", f"{kept - 100:+.1f}"))
        for words, before, after in (
            (f"your {self.asked} found, MRR", self.found_before, self.found_after),
            ("STS-B dev, Spearman", self.sts_before, self.sts_after),
        ):
            if before is not None and after is not None:
                table.append((words, f"{before:.2f}", f"{after:.2f}", f"{after - before:+.2f}"))
        return table

    def unmeasured(self) -> list[str]:
        """What there was nothing to measure with, in sentences."""
        missing = []
        if self.found_before is None:
            missing.append("your own text's retrieval: not measured (fewer than 32 texts of 8 words)")
        if self.sts_before is None:
            missing.append("STS: not measured (give a data folder with --data)")
        return missing

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    original: Encoder,
    other: Any,
    sample: Sequence[str],
    *,
    backend: str,
    precision: str,
    data: str | Path | None = None,
    progress: Progress = None,
) -> Checked:
    """The vectors of ``other`` beside those of ``original``. Both are asked in their own precision.

    other: an encoder as :class:`contrapose.backends.encoder.BackendEncoder`; or the original itself, in bf16.
    Raises :class:`EmptyCorpus` for no text, and what a task raises for its data.
    """
    texts = sample_of(sample)
    if not texts:
        raise EmptyCorpus(f"there is no text to compare {precision} by {backend} with the original on")
    probe = probe_of(texts)
    sides = [*probe.first, *probe.second] if probe else []
    before = encode_once(original, [*texts, *sides], precision="fp32", progress=progress)
    after = encode_once(other, [*texts, *sides], precision=precision, progress=progress)
    one_ND, two_ND = (unit_rows(each.of(texts), np.float64) for each in (before, after))
    cosine_N = (one_ND * two_ND).sum(axis=1)
    checked: dict[str, Any] = {
        "cosine_mean": float(cosine_N.mean()),
        "cosine_least": float(cosine_N.min()),
        "neighbours": neighbours_kept(one_ND, two_ND),
    }
    if probe:
        found = [
            100 * reciprocal_rank(pair_retrieval(each.of(probe.first), each.of(probe.second)))
            for each in (before, after)
        ]
        checked |= {
            "asked": probe.kind,
            "found_before": float(found[0].mean()),
            "found_after": float(found[1].mean()),
            "found_se": float((found[1] - found[0]).std(ddof=1) / np.sqrt(len(probe))),
        }
    if data is not None:
        task = sts_dev(data)
        values = [
            task.evaluate(each, precision=given, progress=progress).value
            for each, given in ((original, "fp32"), (other, precision))
        ]
        checked |= {"sts_before": values[0], "sts_after": values[1]}
    return Checked(backend=backend, precision=precision, texts=len(texts), **checked)


def sample_of(texts: Sequence[str]) -> list[str]:
    """The distinct texts that are compared: the first ones that are not blank.

    >>> sample_of(["a", " ", "b", "a"])
    ['a', 'b']
    """
    return list(dict.fromkeys(text for text in texts if text.strip()))[:COMPARED]


def probe_of(texts: Sequence[str]) -> Probe | None:
    """The question that these texts answer by themselves, or None where there are too few."""
    by_kind = {probe.kind: probe for probe in probes_of({"text": list(texts)})}
    return next((by_kind[kind] for kind in _PREFERRED if kind in by_kind), None)


def neighbours_kept(one_ND: np.ndarray, two_ND: np.ndarray) -> float | None:
    """The share of ten nearest that is the same, over unit vectors; None for too few texts to choose among.

    >>> eye = np.eye(40)
    >>> neighbours_kept(eye, eye)
    1.0
    """
    if len(one_ND) < 2 * NEAREST:
        return None
    sets = []
    for vectors_ND in (one_ND, two_ND):
        cosine_NN = vectors_ND @ vectors_ND.T
        np.fill_diagonal(cosine_NN, -np.inf)
        sets.append(np.argsort(-cosine_NN, axis=1, kind="stable")[:, :NEAREST])
    kept_NK = (sets[0][:, :, None] == sets[1][:, None, :]).any(axis=2)
    return float(kept_NK.mean())


def check_max_loss(max_loss: float) -> float:
    """``max_loss`` itself, or UsageError for no number of points."""
    if not 0 <= max_loss <= 100:
        raise UsageError(f"--max-loss is a number of points from 0 to 100, got {max_loss:g}")
    return max_loss
