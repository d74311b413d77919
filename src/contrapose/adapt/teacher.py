"""Does a search by words and meaning find better than the encoder alone? Only then is it worth imitating."""

from __future__ import annotations

from contrapose.adapt.proof import Measured, Question
from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.statistics import paired_test


def may_teach(question: Question, now: Measured) -> bool:
    """Whether the hybrid's reciprocal ranks are clearly better than those of the encoder alone, on held-out rows."""
    alone_N, hybrid_N = now.scores[question.key], now.hybrid[question.key]
    return paired_test(alone_N, hybrid_N, resamples=MEAN_RESAMPLES).low > 0
