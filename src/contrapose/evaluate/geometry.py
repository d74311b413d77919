"""The geometry task: alignment, uniformity, mean cosine and effective rank of an encoder on real sentences.

By default on STS-B: alignment over pairs scored above 4 (Wang and Isola 2020 as SimCSE applies it), the other three
over the split's distinct sentences. Or on texts of the user's own; alignment then needs pairs. Every pair counts
exactly; nothing is sampled. Definitions: :data:`contrapose.maths.geometry.DEFINITIONS`.
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
from contrapose.evaluate.senteval import read_sts, text_form

#: Pairs scored above this mean the same.
SAME_MEANING = 4.0

#: The protocol tag of all four numbers.
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

    name = "geometry"

    @classmethod
    def on_sts_b(cls, data: str | Path | Sequence[str | Path], split: str = "test") -> GeometryTask:
        """On STS-B: its distinct sentences, and its pairs scored above 4."""
        found = read_sts(data, "STS-B", split)
        (subset,) = found.subsets
        same = zip(subset.first, subset.second, subset.gold, strict=True)
        return cls(
            sentences=tuple(dict.fromkeys(found.texts)),
            pairs=tuple((first, second) for first, second, score in same if score > SAME_MEANING),
            source="STS-B",
            split=split,
            text=found.text,
            details={"folder": found.folder, "data_fingerprint": found.fingerprint},
        )

    @classmethod
    def on_texts(cls, texts: Sequence[str], pairs: Sequence[tuple[str, str]] = ()) -> GeometryTask:
        """On the user's own distinct texts; those of ``pairs`` are among them. Raises :class:`UsageError` below two."""
        sentences = tuple(dict.fromkeys([*texts, *(text for pair in pairs for text in pair)]))
        if len(sentences) < 2:
            raise UsageError(f"geometry needs at least two different texts, got {len(sentences)}")
        return cls(
            sentences=sentences,
            pairs=tuple((first, second) for first, second in pairs),
            source="own texts",
            split="all",
            text=text_form(sentences),
            details={},
        )

    @property
    def texts(self) -> list[str]:
        return [*self.sentences, *(text for pair in self.pairs for text in pair)]

    def score(self, encodings: Encodings) -> list[Result]:
        """Four results, or three where there are no pairs."""
        import torch

        from contrapose.maths import geometry

        found = []
        with torch.inference_mode():
            if self.pairs:
                first, second = (
                    _tensor(encodings.of([pair[side] for pair in self.pairs])) for side in (0, 1)
                )
                found.append(("alignment", geometry.alignment(first, second), len(self.pairs)))
            spread = _tensor(encodings.of(self.sentences))
            found += [
                (measure.__name__, measure(spread), len(self.sentences))
                for measure in (geometry.uniformity, geometry.mean_cosine, geometry.effective_rank)
            ]
        return [self._result(metric, float(value), rows, encodings.model) for metric, value, rows in found]

    def _result(self, metric: str, value: float, rows: int, model: str) -> Result:
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
            details={"source": self.source, "definition": DEFINITIONS[metric], **self.details},
        )


def _tensor(vectors_ND: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(vectors_ND, dtype=np.float32))
