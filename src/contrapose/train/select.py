"""Which checkpoint becomes the model: the STS-B development score where it is given, else a label-free criterion.

Label-free: the gain that is expected from how held-out texts lie, see ``evaluate/labelfree.py`` for the definition and
for what it can tell. A test split is never read here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.evaluate.evidence import Evidence
from contrapose.evaluate.labelfree import FEWEST_TEXTS, Look, gain, gain_test, look, together
from contrapose.evaluate.probes import Probe, probes_of
from contrapose.evaluate.statistics import PairedTest
from contrapose.train.settings import SelectionSettings

#: Held-out texts that are looked at; more cost time and hardly narrow the interval.
MOST_TEXTS = 1_000
#: The score of an encoder that collapsed: below every score that a working one can get.
COLLAPSED_SCORE = -1.0


class Criterion(Protocol):
    """Higher is better. Everything is measured against the encoder that the run began with."""

    name: str
    about: str

    def begin(self, start: Encoder, precision: str) -> None:
        """Look at the start, once, before anything is trained."""

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        """Its parts by name, ``score`` among them."""

    def change(self, encoder: Encoder, precision: str) -> PairedTest | None:
        """From the start to this encoder, row by row; None for a collapsed one."""


class StsbDev:
    """Spearman x 100 on the STS-B development pairs."""

    name = "stsb-dev"
    about = "Spearman x 100 on the STS-B development pairs"

    def __init__(self, folder: Path) -> None:
        from contrapose.evaluate.sts import sts_dev

        self._task = sts_dev(folder)
        self._start: Evidence | None = None

    def begin(self, start: Encoder, precision: str) -> None:
        self._start = self._task.evaluate(start, precision=precision).evidence

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        value = self._task.evaluate(encoder, precision=precision).value
        return {"score": COLLAPSED_SCORE if value is None or np.isnan(value) else value}

    def change(self, encoder: Encoder, precision: str) -> PairedTest | None:
        now = self._task.evaluate(encoder, precision=precision).evidence
        return self._start.change_to(now) if self._start is not None and now is not None else None


class LabelFree:
    """The gain that is expected from how held-out texts lie now and lay at the start: evaluate/labelfree.py."""

    name = "label-free"

    def __init__(self, texts: Sequence[str], pairs: Probe | None = None) -> None:
        self._texts, self._pairs = list(texts), pairs
        self.about = f"expected gain without labels, on {len(texts)} held-out texts"

    def begin(self, start: Encoder, precision: str) -> None:
        self._start = self._look(start, precision)

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        now = self._look(encoder, precision)
        expected = gain(self._start, now)
        return {
            "score": COLLAPSED_SCORE if expected is None else expected.value() / 100,
            "uniformity": now.uniformity,
            "topics": float(now.topic_M.mean()),
            "effective_rank": now.effective_rank,
            **self._together(encoder, precision),
        }

    def change(self, encoder: Encoder, precision: str) -> PairedTest | None:
        return gain_test(self._start, self._look(encoder, precision))

    def _look(self, encoder: Encoder, precision: str) -> Look:
        return look(encoder.encode(self._texts, normalize=True, precision=precision))

    def _together(self, encoder: Encoder, precision: str) -> dict[str, float]:
        if self._pairs is None:
            return {}
        texts = [*self._pairs.first, *self._pairs.second]
        return together(*np.split(encoder.encode(texts, normalize=True, precision=precision), 2))


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
    columns = {name: texts[:MOST_TEXTS] for name, texts in corpus.take(held_out).items()}
    texts = list(dict.fromkeys(list(columns.values())[-1])) if len(held_out) else []
    if len(texts) >= FEWEST_TEXTS:
        probes = [probe for probe in probes_of(columns) if probe.kind != "sentences"]
        return LabelFree(texts, probes[0] if probes else None)
    why = (
        f"only {len(texts)} held-out texts, and {FEWEST_TEXTS} are needed to choose a checkpoint without labels "
        "(a tenth of the rows is held out)"
    )
    if settings.criterion == "label-free":
        raise UsageError(f"{why}: give more text, --dev-data, or --criterion none")
    if settings.blend == "auto":
        raise UsageError(f"{why}, and --blend auto needs that: give a number, more text, or --dev-data")
    notice(f"{why}; the model will be the last step's")
    return None


def is_better(scores: dict[str, Any], best: float | None) -> bool:
    """A tie keeps the earlier checkpoint."""
    return best is None or scores["score"] > best
