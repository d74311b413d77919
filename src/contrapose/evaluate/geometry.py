"""The geometry task: how an encoder lays out real sentences.

By default on STS-B: alignment and the rank of the partner over pairs scored above 4 (Wang and Isola 2020 as SimCSE
applies it), the others over the split's distinct sentences: a departure from uniformity over both columns of the pairs,
which counts a sentence as often as it stands there. Or on texts of the user's own; those two then need pairs.
Every pair of sentences counts exactly, which takes the square of their number: of more than :data:`MOST_TEXTS` own
texts so many are drawn, and the result says of how many. Definitions: :data:`contrapose.maths.geometry.DEFINITIONS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.results import Result
from contrapose.evaluate.retrieval_pairs import pair_retrieval
from contrapose.evaluate.senteval import read_sts, text_form
from contrapose.evaluate.statistics import bootstrap_interval
from contrapose.evaluate.vectors import unit_rows
from contrapose.seeds import derive, permute

#: Pairs scored above this mean the same.
SAME_MEANING = 4.0

#: Own texts whose pairs are all looked at: 200 million pairs. Of more, so many are drawn, the same ones every time.
MOST_TEXTS = 20_000

#: The protocol tag of all these numbers.
PROTOCOL = "geometry"


@dataclass(frozen=True, kw_only=True)
class GeometryTask:
    """Sentences whose spread is measured, and pairs that mean the same (possibly none: then no alignment)."""

    sentences: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    source: str
    split: str
    text: str
    details: dict[str, Any]
    intervals: bool = True

    name = "geometry"

    @classmethod
    def on_sts_b(cls, data: str | Path | Sequence[str | Path], split: str = "test") -> GeometryTask:
        """On STS-B: its distinct sentences, and its pairs scored above 4."""
        sts_b = read_sts(data, "STS-B", split)
        (subset,) = sts_b.subsets
        same = zip(subset.first, subset.second, subset.gold, strict=True)
        return cls(
            sentences=tuple(dict.fromkeys(sts_b.texts)),
            pairs=tuple((first, second) for first, second, score in same if score > SAME_MEANING),
            source="STS-B",
            split=split,
            text=sts_b.text,
            details={
                "folder": sts_b.folder,
                "data_fingerprint": sts_b.fingerprint,
                "pairs_that_mean_the_same": f"scored above {SAME_MEANING:g}",
            },
        )

    @classmethod
    def on_texts(cls, texts: Sequence[str], pairs: Sequence[tuple[str, str]] = ()) -> GeometryTask:
        """On the user's own distinct texts; those of ``pairs`` are among them. Of more than :data:`MOST_TEXTS` so many
        are drawn, the pairs' own first. Raises :class:`UsageError` below two.
        """
        taken = _drawn([(first, second) for first, second in pairs], MOST_TEXTS // 4)
        paired = list(dict.fromkeys(text for pair in taken for text in pair))
        whole = list(dict.fromkeys([*texts, *paired]))
        if len(whole) < 2:
            raise UsageError(f"geometry needs at least two different texts, got {len(whole)}")
        sentences = whole
        if len(whole) > MOST_TEXTS:
            others = _drawn(whole, MOST_TEXTS)
            kept = {*paired, *others[: MOST_TEXTS - len(paired)]}
            sentences = [text for text in whole if text in kept]
        details = {} if sentences is whole else {"drawn_from": len(whole)}
        return cls(
            sentences=tuple(sentences),
            pairs=tuple(taken),
            source="own texts",
            split="all",
            text=text_form(sentences),
            details={**details, **({} if len(taken) == len(pairs) else {"pairs_drawn_from": len(pairs)})},
        )

    @property
    def texts(self) -> list[str]:
        return [*self.sentences, *(text for pair in self.pairs for text in pair)]

    def score(self, encodings: Encodings) -> list[Result]:
        """Five results, and with pairs alignment and the rank of the partner as well."""
        import torch

        from contrapose.evaluate.geometry_spread import spread_intervals
        from contrapose.maths import geometry

        measures = (
            geometry.uniformity,
            geometry.mean_cosine,
            geometry.effective_rank,
            geometry.iso_score,
            geometry.hubness,
        )
        with torch.inference_mode():
            spread = _tensor(encodings.of(self.sentences))
            values = {measure.__name__: float(measure(spread)) for measure in measures}
            intervals = spread_intervals(spread, values) if self.intervals else {}
        of_spread = [
            self._result(metric, value, len(self.sentences), encodings.model, intervals.get(metric))
            for metric, value in values.items()
        ]
        return [*self._of_pairs(encodings), *of_spread]

    def _of_pairs(self, encodings: Encodings) -> list[Result]:
        if not self.pairs:
            return []
        first_ND, second_ND = (encodings.of([pair[side] for pair in self.pairs]) for side in (0, 1))
        unit_first, unit_second = (unit_rows(x_ND, np.float64) for x_ND in (first_ND, second_ND))
        distance_N = np.square(unit_first - unit_second).sum(axis=1)
        row = {text: number for number, text in enumerate(self.sentences)}
        # The sentence itself is among the candidates, and nearest to itself: its place is taken off.
        rank_N = (
            pair_retrieval(
                first_ND,
                encodings.of(self.sentences),
                true_target=np.array([row[second] for _, second in self.pairs]),
            )
            - 1
        )
        results = []
        for metric, values_N in (("alignment", distance_N), ("positive_rank", np.maximum(rank_N, 1))):
            interval = bootstrap_interval(values_N.astype(np.float64), resamples=2_000)
            results.append(
                self._result(
                    metric,
                    interval.estimate,
                    len(self.pairs),
                    encodings.model,
                    [interval.low, interval.high],
                )
            )
        return results

    def _result(
        self, metric: str, value: float, rows: int, model: str, interval: list[float] | None
    ) -> Result:
        from contrapose.maths.geometry import DEFINITIONS

        return Result(
            task=self.name,
            metric=metric,
            value=value,
            protocol=PROTOCOL,
            rows=rows,
            model=model,
            split=self.split,
            text=self.text,
            details={
                "source": self.source,
                "definition": DEFINITIONS[metric],
                **({"interval": interval} if interval else {}),
                **self.details,
            },
        )


def _drawn(items: list[Any], most: int) -> list[Any]:
    """``items``, or so many of them, drawn without regard to their order and always the same."""
    if len(items) <= most:
        return items
    return [items[place] for place in permute(np.arange(most), len(items), derive(0, "geometry-texts"))]


def _tensor(vectors_ND: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(vectors_ND, dtype=np.float32))
