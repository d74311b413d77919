"""Scores of a criterion: how far one rose, and how they are told."""

from __future__ import annotations

#: The score of an encoder that collapsed: below every score that a working one can get, which is -12 at least without
#: labels (closeness falls by 4 at most, spread by 8) and -100 at least on STS-B. It ranks; it is no measurement.
COLLAPSED_SCORE = -1000.0
COLLAPSED = "collapsed"


def rise(before: float, after: float) -> float:
    """How far a score rose over the start's; over a start that had collapsed, which has no score, the score itself.

    >>> rise(78.5, 80.0), rise(COLLAPSED_SCORE, 0.25), rise(COLLAPSED_SCORE, COLLAPSED_SCORE)
    (1.5, 0.25, 0.0)
    """
    if before == COLLAPSED_SCORE != after:
        return after
    return after - before


def decimals_of(*scores: float) -> int:
    """Decimals with which scores of a criterion are told: a label-free gain is small, a score in points is not.

    >>> decimals_of(0.0, -0.01005), decimals_of(78.612, 0.3), decimals_of(COLLAPSED_SCORE, 0.2)
    (4, 2, 4)
    """
    measured = [abs(score) for score in scores if score != COLLAPSED_SCORE]
    return 4 if max(measured, default=0.0) < 1 else 2


def told(score: float, places: int | None = None, *, sign: str = "") -> str:
    """A score as text, with its own decimals or those of the scores beside it; sign: "+" tells it of a gain too.

    >>> told(78.612), told(0.25, 2), told(0.25, sign="+"), told(COLLAPSED_SCORE)
    ('78.61', '0.25', '+0.2500', 'collapsed')
    """
    if score == COLLAPSED_SCORE:
        return COLLAPSED
    return f"{score:{sign}.{decimals_of(score) if places is None else places}f}"
