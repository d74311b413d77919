"""How far seeds scatter, learned from many methods at once: moderated variances (Smyth 2004, as in limma).

Two or three seeds say little about their own spread. Many methods beside one baseline, run with the same seeds, say
much about spreads in general: each method's variance is drawn towards that of all, by as much as they are alike.

    s_i^2              sample variance of the paired differences of method i, with d_i = seeds - 1 degrees of freedom
    s_i^2 / s_0^2      ~ F(d_i, d_0): true variances spread about s_0^2 as if each were known from d_0 degrees more
    e_i                log s_i^2 - psi(d_i / 2) + log(d_i / 2), of mean log s_0^2 - psi(d_0 / 2) + log(d_0 / 2)
    psi'(d_0 / 2)      sample variance of e - mean of psi'(d_i / 2); not above 0: all variances are one, d_0 infinite
    moderated s_i^2    (d_0 s_0^2 + d_i s_i^2) / (d_0 + d_i), of min(d_0 + d_i, sum of all d) degrees of freedom

A method with one seed has no spread of its own (d_i = 0) and takes that of the others. d_0 is at most 4 here: it is an
estimate, and the differences share their baseline, so that taken at its word it made false alarms: in tables of 22
methods without any difference, two or three seeds each, corrected by Holm, 6 to 19 in 100 held one, and 0 to 7 with
this limit (tests/evaluate/test_seed_noise.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

#: Fewer methods with two seeds say nothing about how alike their variances are.
FEWEST = 3
#: The largest d_0: what the others tell counts like four more seeds at most.
MOST_FREEDOM = 4.0
#: Variances below this share of the median count as it: of two equal differences the logarithm would be infinite.
SMALLEST_SHARE = 1e-5


@dataclass(frozen=True)
class SharedNoise:
    """variance: s_0^2, that of one difference; freedom: d_0; pooled: all degrees of freedom there are.

    >>> noise = SharedNoise(variance=1.0, freedom=4.0, pooled=20)
    >>> error, freedom = noise.moderated([0.5, 0.5, 0.5])
    >>> round(error, 3), freedom, noise.moderated([0.5])
    (0.471, 6.0, (1.0, 4.0))
    """

    variance: float
    freedom: float
    pooled: int

    def moderated(self, differences: Sequence[float] | np.ndarray) -> tuple[float, float]:
        """Standard error of the mean of one method's differences, and its degrees of freedom."""
        own = len(differences) - 1
        variance = float(np.var(differences, ddof=1)) if own else 0.0
        moderated = (self.freedom * self.variance + own * variance) / (self.freedom + own)
        return math.sqrt(moderated / len(differences)), min(self.freedom + own, float(self.pooled))


def shared_noise(differences: Iterable[Sequence[float]]) -> SharedNoise | None:
    """From the paired differences of each method to the baseline, one number per seed; None of too few methods.

    >>> shared_noise([[0.1, 0.3], [0.2, 0.1]]) is None
    True
    >>> noise = shared_noise([[0.1, 0.3], [0.2, 0.1], [0.0, 0.5]])
    >>> noise.pooled, 0.02 < noise.variance < 0.2
    (3, True)
    """
    several = [np.asarray(each, float) for each in differences if len(each) > 1]
    if len(several) < FEWEST:
        return None
    variances = np.array([each.var(ddof=1) for each in several])
    degrees = np.array([len(each) - 1 for each in several])
    typical = float(np.median(variances[variances > 0])) if variances.any() else 0.0
    if not typical:
        return SharedNoise(variance=0.0, freedom=MOST_FREEDOM, pooled=int(degrees.sum()))
    return _fitted(np.maximum(variances, SMALLEST_SHARE * typical), degrees)


def _fitted(variances: np.ndarray, degrees: np.ndarray) -> SharedNoise:
    """By the moments of the logarithms."""
    from scipy.special import digamma, polygamma

    logs = np.log(variances) - digamma(degrees / 2) + np.log(degrees / 2)
    beyond_chance = float(logs.var(ddof=1) - polygamma(1, degrees / 2).mean())
    pooled = int(degrees.sum())
    if beyond_chance <= 0:
        return SharedNoise(variance=float(degrees @ variances) / pooled, freedom=MOST_FREEDOM, pooled=pooled)
    freedom = 2 * _inverse_trigamma(beyond_chance)
    variance = math.exp(float(logs.mean()) + float(digamma(freedom / 2)) - math.log(freedom / 2))
    return SharedNoise(variance=variance, freedom=min(freedom, MOST_FREEDOM), pooled=pooled)


def _inverse_trigamma(value: float) -> float:
    """x with psi'(x) = value > 0; psi' falls from infinity to 0.

    >>> round(_inverse_trigamma(math.pi**2 / 6), 9)
    1.0
    """
    from scipy.optimize import brentq
    from scipy.special import polygamma

    # 1 / x < psi'(x) < 1 / x + 1 / x^2 bound the root.
    low, high = 1 / value, (1 + math.sqrt(1 + 4 * value)) / (2 * value)
    return float(brentq(lambda x: float(polygamma(1, x)) - value, low, high * (1 + 1e-9), xtol=1e-12))
