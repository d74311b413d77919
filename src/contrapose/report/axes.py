"""Where an axis begins and ends, where its ticks stand, and what is written there: one label for each, a true one.

ticks     at whole multiples of 1, 2, 2.5 or 5 times a power of ten, inside the axis
labels    as few decimals as tell every tick from the next, and each within a thousandth of a step
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

#: Ticks of an axis, about.
MOST_TICKS = 5
#: Beside numbers of some size a smaller range is rounding: they are one value.
SAME = 1e-9
#: Numbers are written out between these sizes, and with an exponent beyond them.
PLAINEST, PLAINEST_LARGE = 1e-5, 1e7


def spanned(
    values: Sequence[float], air: float = 0.0, lowest: float | None = None, highest: float | None = None
) -> tuple[float, float]:
    """The ends of an axis that holds all values, with air around them, but never beyond what a value can be.

    >>> spanned([1.0, 1.0], 0.06, 0.0, 1.0), spanned([0.0, 1.0], 0.5, 0.0, 1.0), spanned([2.0, 4.0], 0.5)
    ((0.9, 1.0), (0.0, 1.0), (1.0, 5.0))
    """
    low, high = min(values), max(values)
    if high - low <= SAME * max(abs(low), abs(high)):
        alone = max(abs(low), abs(high)) * 0.1 or 1.0
        first, last = low - alone, high + alone
    else:
        first, last = low - air * (high - low), high + air * (high - low)
    # A value beyond its bound, by rounding, is still held.
    if lowest is not None:
        first = max(first, min(lowest, low))
    if highest is not None:
        last = min(last, max(highest, high))
    return first, last


def ticks(low: float, high: float, most: int = MOST_TICKS, *, whole: bool = False) -> list[float]:
    """Round numbers from ``low`` to ``high``, the ends where they are round; ``whole``: no fractions, perhaps none.

    >>> ticks(0, 1), ticks(-3.9, -3.2, 4), ticks(1, 12, whole=True)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [-3.8, -3.6, -3.4, -3.2], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    if whole:
        # Counted things have fewer steps to choose from, so a tick more is taken rather than three less.
        rough = max(1.0, 0.8 * rough)
    power = 10.0 ** math.floor(math.log10(rough))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(step for factor in factors if (step := factor * power) >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def labelled(values: Sequence[float], *, sign: str = "") -> list[tuple[float, str]]:
    """Each tick with its label."""
    return list(zip(values, tick_labels(values, sign=sign), strict=True))


def tick_labels(values: Sequence[float], *, sign: str = "") -> list[str]:
    """All ticks with equally many decimals, then without needless zeros; ``sign``: "+" writes it before positive ones.

    >>> tick_labels([0.0, 0.5, 1.0]), tick_labels([1000.0, 1002.5, 1005.0]), tick_labels([-0.5, 0.0, 0.5], sign="+")
    (['0', '0.5', '1'], ['1000', '1002.5', '1005'], ['-0.5', '0', '+0.5'])
    >>> tick_labels([0.1234, 0.12345]), tick_labels([0.0, 1e-5, 2e-5]), tick_labels([2e-9, 4e-9])
    (['0.1234', '0.12345'], ['0', '0.00001', '0.00002'], ['2e-9', '4e-9'])
    """
    gaps = (after - before for before, after in pairwise(values))
    step = min(gaps, default=max(map(abs, values), default=0.0)) or 1.0
    largest = max(map(abs, values), default=0.0)
    plain = largest == 0 or (PLAINEST <= max(largest, step) < PLAINEST_LARGE and step >= PLAINEST / 100)
    for digits in range(17):
        written = [f"{value:.{digits}{'f' if plain else 'e'}}" for value in values]
        close = all(
            abs(float(text) - value) <= step / 1000 for text, value in zip(written, values, strict=True)
        )
        if close and len(set(written)) == len(set(values)):
            break
    return [_trimmed(text, sign) for text in written]


def _trimmed(text: str, sign: str) -> str:
    """Without zeros at the end of the decimals, and without the sign of nothing."""
    digits, exponent, power = text.partition("e")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    if float(digits) == 0:
        return "0"
    label = digits + (f"e{int(power)}" if exponent else "")
    return sign + label if sign and not label.startswith("-") else label
