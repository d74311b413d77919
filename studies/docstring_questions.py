"""The demo's task for any evaluation: which description belongs to the first line of a docstring?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.results import Result
from contrapose.evaluate.retrieval_pairs import mrr_at_10, ranks_of_answers


@dataclass(frozen=True)
class DocstringQuestions:
    """pairs: (first line, description) of objects of Python's standard library. The number is MRR@10, x 100."""

    pairs: tuple[tuple[str, str], ...]
    name: str = "docstrings"

    @classmethod
    def of_standard_library(cls) -> Self:
        """Those that the demo asks: of the objects that it holds out."""
        from contrapose.data.docstring_split import split_documented
        from contrapose.data.harvest import harvest_python

        split = split_documented(harvest_python(["stdlib"]))
        return cls(tuple((pair.anchor, pair.positive) for pair in split.description_questions))

    @property
    def texts(self) -> list[str]:
        return [text for pair in self.pairs for text in pair]

    def score(self, encodings: Encodings) -> list[Result]:
        ranks_N = ranks_of_answers(encodings, self.pairs)
        result = Result.of_scores(
            PerExampleScores("mean", mrr_at_10(ranks_N)),
            task=self.name,
            metric="mrr@10",
            protocol="docstrings",
            rows=len(self.pairs),
            model=encodings.model,
            split="test",
            text="raw",
            details={},
        )
        return [result]
