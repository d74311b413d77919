"""Which checkpoint becomes the model: the STS-B development score where it is given, else a label-free criterion.

Label-free: alignment and uniformity with the other half of held-out texts, see ``evaluate/labelfree.py`` for the
definition and for what it cannot tell. A test split is never read here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.evaluate.labelfree import label_free
from contrapose.evaluate.probes import split_in_halves
from contrapose.train.settings import SelectionSettings

#: With fewer held-out pairs of views the criterion is mostly noise.
FEWEST_VIEWS = 32
#: The score of an encoder that collapsed: below every score that a working one can get.
COLLAPSED_SCORE = -1.0


class Criterion(Protocol):
    """Higher is better. ``measure`` returns its parts by name, ``score`` among them."""

    name: str
    about: str

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]: ...


class StsbDev:
    """Spearman x 100 on the STS-B development pairs."""

    name = "stsb-dev"
    about = "Spearman x 100 on the STS-B development pairs"

    def __init__(self, folder: Path) -> None:
        from contrapose.evaluate.sts import sts_dev

        self._task = sts_dev(folder)

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        value = self._task.evaluate(encoder, precision=precision).value
        return {"score": COLLAPSED_SCORE if value is None or np.isnan(value) else value}


class HeldOutViews:
    """Alignment and uniformity with the other view of held-out rows; retrieval of it is measured beside them."""

    name = "label-free"

    def __init__(self, first: Sequence[str], second: Sequence[str], kind: str) -> None:
        self._first, self._second = list(first), list(second)
        self.about = f"-(alignment + uniformity) with the {kind}, on {len(self._first)} held-out rows"

    def measure(self, encoder: Encoder, precision: str) -> dict[str, float]:
        vectors_ND = encoder.encode([*self._first, *self._second], normalize=True, precision=precision)
        result = label_free(*np.split(vectors_ND, 2))
        return {
            "score": result.score,
            "retrieval_mrr": result.retrieval_mrr,
            "uniformity": result.uniformity,
            "alignment": result.alignment,
        }


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
    first, second, kind = held_out_views(corpus, held_out)
    if len(first) >= FEWEST_VIEWS:
        return HeldOutViews(first, second, kind)
    why = (
        f"only {len(first)} held-out rows can be split into two views (texts of 8 words or more), and {FEWEST_VIEWS} "
        "are needed to choose a checkpoint without labels"
    )
    if settings.criterion == "label-free":
        raise UsageError(f"{why}: give more text, --dev-data, or --criterion none")
    notice(f"{why}; the model will be the last step's")
    return None


def held_out_views(corpus: Corpus, held_out: np.ndarray) -> tuple[list[str], list[str], str]:
    """Two texts per held-out row that belong together: the first two columns, or the halves of the one text."""
    columns = corpus.take(held_out)
    names = list(columns)
    if len(names) > 1:
        return columns[names[0]], columns[names[1]], f"{names[1]} of the {names[0]}"
    halves = [pair for text in columns[names[0]] if (pair := split_in_halves(text)) is not None]
    return [first for first, _ in halves], [second for _, second in halves], "other half of the text"


def is_better(scores: dict[str, Any], best: float | None) -> bool:
    """A tie keeps the earlier checkpoint."""
    return best is None or scores["score"] > best
