"""Which checkpoint becomes the model: the STS-B development score where it is given, else a label-free criterion.

Label-free: the gain that is expected from how held-out texts lie (``label_free.py`` has the
definition, and what it can tell). A test split is never read here.

A look is a pure function of the weights, so it is remembered by them: the pretrained model, a checkpoint, and a share
of a blend that are asked for again (by the verdict, or as an end of the blend) are not encoded again.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.probes import FEWEST_PAIRS, MIN_WORDS
from contrapose.evaluate.results import Result
from contrapose.evaluate.statistics import in_words
from contrapose.listening import Listener
from contrapose.selection.budget import EvaluationCost
from contrapose.selection.cost_of_looks import cost_of_rows
from contrapose.selection.held_out import (
    encoded,
    evaluated_rows,
    num_rows,
    texts_and_probes,
    tokens_of,
    weights_key,
)
from contrapose.selection.label_free import (
    FEWEST_TEXTS,
    HARMS,
    HELPS,
    UNCLEAR,
    Judgement,
    LabelFreeStatistics,
    Measure,
    gain,
    judge,
    label_free_statistics,
    level,
)
from contrapose.selection.scores import COLLAPSED_SCORE
from contrapose.selection.settings import SelectionSettings

_WORDS = {"better": HELPS, "worse": HARMS, "no clear change": UNCLEAR}
STSB_DEV = Measure(
    "Spearman x 100 on the STS-B development pairs",
    "the model orders the STS-B development pairs better than the pretrained model",
    "the model orders the STS-B development pairs less well than the pretrained model",
)


class Monitor(Protocol):
    """What is measured along a run; higher is better. The first look is at the model that the run began with."""

    name: str
    about: str

    def cost(self, encoder: Encoder) -> EvaluationCost:
        """Tokens of a look at each row."""

    def keep(self, rows: int) -> None:
        """Look at the first ``rows`` rows only, from now on."""

    def begin(self, pretrained: Encoder, precision: str) -> None:
        """Look at the pretrained model, once, before anything is trained."""

    def measure(self, encoder: Encoder, precision: str, *, brief: bool = False) -> dict[str, float]:
        """Its parts by name, ``score`` among them; only that one means anything where the look is ``brief``."""


class Criterion(Monitor, Protocol):
    """A monitor that chooses: it also says whether an encoder is better than the one that the run began with."""

    def judge(self, encoder: Encoder, precision: str, *, brief: bool = False) -> Judgement | None:
        """Does this encoder help, against the pretrained model, row by row? None for a collapsed one."""


class StsbDev:
    """Spearman x 100 on the STS-B development pairs."""

    name = "stsb-dev"
    about = STSB_DEV.name

    def __init__(self, folder: Path, listener: Listener) -> None:
        from contrapose.evaluate.sts import sts_dev

        self._task, self._listener = sts_dev(folder), listener
        self._by_weights: dict[Hashable, Result] = {}
        self._pretrained: PerExampleScores | None = None

    def cost(self, encoder: Encoder) -> EvaluationCost:
        """The development set is one thing: all of it or nothing."""
        return EvaluationCost(
            pairs=[sum(tokens_of(encoder, dict.fromkeys(self._task.texts)))], whole=[0], fewest=1
        )

    def keep(self, rows: int) -> None:
        """The development set is never cut."""

    def begin(self, pretrained: Encoder, precision: str) -> None:
        self._pretrained = self._evaluate(pretrained, precision).per_example

    def measure(self, encoder: Encoder, precision: str, *, brief: bool = False) -> dict[str, float]:
        value = self._evaluate(encoder, precision).value
        return {"score": COLLAPSED_SCORE if value is None or np.isnan(value) else value}

    def judge(self, encoder: Encoder, precision: str, *, brief: bool = False) -> Judgement | None:
        now = self._evaluate(encoder, precision).per_example
        if self._pretrained is None or now is None:
            return None
        test = self._pretrained.change_to(now)
        return Judgement(word=_WORDS[in_words(test)], measure=STSB_DEV, because=test)

    def _evaluate(self, encoder: Encoder, precision: str) -> Result:
        key = (weights_key(encoder), precision)
        if key not in self._by_weights:
            (self._by_weights[key],) = self._task.score(
                encoded(encoder, self._task.texts, precision, self._listener)
            )
        return self._by_weights[key]


class LabelFree:
    """The gain expected from how held-out texts lie for the encoder and lay for the pretrained one: label_free.py."""

    name = "label-free"

    def __init__(self, columns: Mapping[str, Sequence[str]], listener: Listener) -> None:
        self._columns, self._listener = columns, listener
        self._by_weights: dict[Hashable, LabelFreeStatistics] = {}
        self.keep(num_rows(columns))

    def cost(self, encoder: Encoder) -> EvaluationCost:
        return cost_of_rows(encoder, self._columns)

    def keep(self, rows: int) -> None:
        columns = {name: texts[:rows] for name, texts in self._columns.items()}
        self._texts, self._probes = texts_and_probes(columns)
        self.about = f"expected gain without labels, on {len(self._texts)} held-out texts"

    def begin(self, pretrained: Encoder, precision: str) -> None:
        self._pretrained = self._evaluate(pretrained, precision)

    def measure(self, encoder: Encoder, precision: str, *, brief: bool = False) -> dict[str, float]:
        now = self._evaluate(encoder, precision, brief=brief)
        scores = now.scores[now.partners]
        return {
            "score": COLLAPSED_SCORE if now.collapsed else float(gain(self._pretrained, now).mean()),
            "retrieval_mrr": float(scores["reciprocal_rank"].mean()),
            "margin": float(scores["margin"].mean()),
            "alignment": -float(scores["closeness"].mean()),
            "uniformity": now.uniformity,
            "topics": now.topics,
            "effective_rank": now.effective_rank,
        }

    def per_row(self, encoder: Encoder, precision: str) -> tuple[np.ndarray, np.ndarray]:
        """Of each pair (N,): the level whose mean change is the score, and the reciprocal rank of the partner."""
        now = self._evaluate(encoder, precision)
        return level(self._pretrained, now), now.scores[now.partners]["reciprocal_rank"]

    def judge(self, encoder: Encoder, precision: str, *, brief: bool = False) -> Judgement | None:
        return judge(self._pretrained, self._evaluate(encoder, precision, brief=brief))

    def _evaluate(self, encoder: Encoder, precision: str, *, brief: bool = False) -> LabelFreeStatistics:
        """At the pairs and the whole texts; ``brief``: at the pairs alone, or what was seen of these weights before."""
        key = (weights_key(encoder), precision)
        known = self._by_weights.get((key, False)) or self._by_weights.get((key, brief))
        if known is not None:
            return known
        sides = [text for probe in self._probes for text in (*probe.first, *probe.second)]
        texts = list(dict.fromkeys(sides)) if brief else self._texts
        vectors = encoded(encoder, [*texts, *sides], precision, self._listener)
        pairs = {probe.kind: (vectors.of(probe.first), vectors.of(probe.second)) for probe in self._probes}
        self._by_weights[key, brief] = label_free_statistics(pairs, vectors.of(texts))
        return self._by_weights[key, brief]


def choose_criterion(
    settings: SelectionSettings, corpus: Corpus, held_out: np.ndarray, listener: Listener
) -> Criterion | None:
    """The criterion that the settings ask for; None for the last step."""
    wanted = settings.criterion
    if wanted == "auto":
        wanted = "label-free" if settings.dev_data is None else "stsb-dev"
    if wanted == "none":
        return None
    if wanted == "stsb-dev":
        assert settings.dev_data is not None
        return StsbDev(Path(settings.dev_data), listener)
    columns = evaluated_rows(corpus.take(held_out)) if len(held_out) else {}
    texts, probes = texts_and_probes(columns)
    if probes and len(texts) >= FEWEST_TEXTS:
        return LabelFree(columns, listener)
    why = (
        f"the {len(texts)} held-out texts (a tenth of all) are too few or too short to choose a checkpoint without "
        f"labels: {FEWEST_TEXTS} are needed, {FEWEST_PAIRS} of them of {MIN_WORDS} words or more, or with a title"
    )
    if settings.criterion == "label-free":
        raise UsageError(f"{why}: give more text, --dev-data, or --criterion none")
    if settings.blend == "auto":
        raise UsageError(f"{why}, and --blend auto needs that: give a number, more text, or --dev-data")
    listener.notice(f"{why}; the model will be the last step's")
    return None


def is_better(scores: dict[str, Any], best: float | None) -> bool:
    """A tie keeps the earlier checkpoint."""
    return best is None or scores["score"] > best
