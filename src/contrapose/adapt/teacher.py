"""Does a search by words and meaning find better than the encoder alone? Only then is it worth imitating."""

from __future__ import annotations

from contrapose.adapt.proof import Measured, Question
from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.statistics import PairedTest, paired_test


def hybrid_against_start(question: Question, before: Measured) -> PairedTest:
    """The change of the reciprocal rank from the encoder alone to the hybrid, on held-out rows."""
    return paired_test(before.scores[question.key], before.hybrid[question.key], resamples=MEAN_RESAMPLES)


def may_teach(test: PairedTest) -> bool:
    """Whether the hybrid is clearly better."""
    return test.low > 0
