"""Which checkpoint becomes the model: the STS-B development score where it is given, else a label-free criterion.

Label-free: the gain that is expected from how held-out texts lie, see ``evaluate/labelfree.py`` for the definition and
for what it can tell. A test split is never read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.evidence import Evidence, in_words
from contrapose.evaluate.labelfree import (
    FEWEST_TEXTS,
    HARMS,
    HELPS,
    UNCLEAR,
    Judgement,
    Look,
    Measure,
    gain,
    judge,
    look,
)
from contrapose.evaluate.probes import FEWEST_PAIRS, MIN_WORDS, Probe, probes_of
from contrapose.train.settings import SelectionSettings

#: Held-out texts that are looked at, and their letters: a thousand lines, or some two hundred documents.
MOST_TEXTS, MOST_LETTERS = 1_000, 300_000
#: The score of an encoder that collapsed: below every score that a working one can get.
COLLAPSED_SCORE = -1.0
_WORDS = {"better": HELPS, "worse": HARMS, "no clear change": UNCLEAR}
STSB_DEV = Measure(
    "Spearman x 100 on the STS-B development pairs",
    "the model orders the STS-B development pairs better than its start",
    "the model orders the STS-B development pairs less well than its start",
)


class Criterion(Protocol):
    """Higher is better. Everything is measured against the encoder that the run began with."""

    name: str
    about: str

    def begin(self, start: Encoder, precision: str) -> None:
        """Look at the start, once, before anything is trained."""

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        """Its parts by name, ``score`` among them."""

    def judge(self, encoder: Encoder, precision: str) -> Judgement | None:
        """Does this encoder help, against the start, row by row? None for a collapsed one."""


class StsbDev:
    """Spearman x 100 on the STS-B development pairs."""

    name = "stsb-dev"
    about = STSB_DEV.name

    def __init__(self, folder: Path) -> None:
        from contrapose.evaluate.sts import sts_dev

        self._task = sts_dev(folder)
        self._start: Evidence | None = None

    def begin(self, start: Encoder, precision: str) -> None:
        self._start = self._task.evaluate(start, precision=precision).evidence

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        value = self._task.evaluate(encoder, precision=precision).value
        return {"score": COLLAPSED_SCORE if value is None or np.isnan(value) else value}

    def judge(self, encoder: Encoder, precision: str) -> Judgement | None:
        now = self._task.evaluate(encoder, precision=precision).evidence
        if self._start is None or now is None:
            return None
        test = self._start.change_to(now)
        return Judgement(word=_WORDS[in_words(test)], measure=STSB_DEV, because=test)


class LabelFree:
    """The gain that is expected from how held-out texts lie now and lay at the start: evaluate/labelfree.py."""

    name = "label-free"

    def __init__(self, probes: Sequence[Probe], texts: Sequence[str]) -> None:
        self._probes, self._texts = tuple(probes), list(texts)
        self.about = f"expected gain without labels, on {len(texts)} held-out texts"

    def begin(self, start: Encoder, precision: str) -> None:
        self._start = self._look(start, precision)

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        now = self._look(encoder, precision)
        scores = now.scores[now.partners]
        return {
            "score": COLLAPSED_SCORE if now.collapsed else float(gain(self._start, now).mean()),
            "retrieval_mrr": float(scores["reciprocal_rank"].mean()),
            "margin": float(scores["margin"].mean()),
            "alignment": -float(scores["closeness"].mean()),
            "uniformity": now.uniformity,
            "topics": now.topics,
            "effective_rank": now.effective_rank,
        }

    def judge(self, encoder: Encoder, precision: str) -> Judgement | None:
        return judge(self._start, self._look(encoder, precision))

    def _look(self, encoder: Encoder, precision: str) -> Look:
        wanted = [*self._texts, *(text for probe in self._probes for text in (*probe.first, *probe.second))]
        found = encode_once(encoder, wanted, precision=precision)
        sides = {probe.kind: (found.of(probe.first), found.of(probe.second)) for probe in self._probes}
        return look(sides, found.of(self._texts))


def choose_criterion(
    settings: SelectionSettings, corpus: Corpus, held_out: np.ndarray, notice: Callable[[str], None]
) -> Criterion | None:
    """The criterion that the settings ask for; None for the last step."""
    wanted = settings.criterion
    if wanted == "auto":
        wanted = "label-free" if settings.dev_data is None else "stsb-dev"
    if wanted == "none":
        return None
    if wanted == "stsb-dev":
        assert settings.dev_data is not None
        return StsbDev(Path(settings.dev_data))
    columns = looked_at(corpus.take(held_out))
    texts = list(dict.fromkeys(list(columns.values())[-1])) if len(held_out) else []
    probes = [probe for probe in probes_of(columns) if probe.kind != "sentences"] if texts else []
    if probes and len(texts) >= FEWEST_TEXTS:
        return LabelFree(probes, texts)
    why = (
        f"the {len(texts)} held-out texts (a tenth of all) are too few or too short to choose a checkpoint without "
        f"labels: {FEWEST_TEXTS} are needed, {FEWEST_PAIRS} of them of {MIN_WORDS} words or more, or with a title"
    )
    if settings.criterion == "label-free":
        raise UsageError(f"{why}: give more text, --dev-data, or --criterion none")
    if settings.blend == "auto":
        raise UsageError(f"{why}, and --blend auto needs that: give a number, more text, or --dev-data")
    notice(f"{why}; the model will be the last step's")
    return None


def looked_at(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The first rows, as many as are looked at in a few seconds.

    >>> {name: len(texts) for name, texts in looked_at({"text": ["x" * 1_000] * 900}).items()}
    {'text': 300}
    """
    letters_N = np.cumsum([sum(map(len, row)) for row in zip(*columns.values(), strict=True)])
    count = min(MOST_TEXTS, max(FEWEST_TEXTS, int(np.searchsorted(letters_N, MOST_LETTERS, side="right"))))
    return {name: list(texts[:count]) for name, texts in columns.items()}


def is_better(scores: dict[str, Any], best: float | None) -> bool:
    """A tie keeps the earlier checkpoint."""
    return best is None or scores["score"] > best
