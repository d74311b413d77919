"""Does a search by words and meaning find better than the encoder alone? Only then is it worth imitating."""

from __future__ import annotations

from collections.abc import Sequence

from contrapose.adapt.proof import Measured
from contrapose.adapt.questions import Question
from contrapose.evaluate.per_example import MEAN_RESAMPLES
from contrapose.evaluate.statistics import paired_test


def may_teach(questions: Sequence[Question], now: Measured) -> bool:
    """Whether the hybrid's log-likelihoods on held-out rows are clearly better than those of the encoder alone: on one
    question at least, and clearly worse on none."""
    tests = [
        paired_test(now.scores[each.key], now.hybrid[each.key], resamples=MEAN_RESAMPLES)
        for each in questions
    ]
    return any(test.low > 0 for test in tests) and not any(test.high < 0 for test in tests)
