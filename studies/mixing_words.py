"""What the looks of the study ``mixing`` say, in a line of the table and in words; all of it from their cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.mixing_effect import FIXED, PUBLISHED, SEARCH, SIMILARITY, THRESHOLDS
from studies.study import Row

#: The method's own threshold.
DEFAULT = 0.1
#: The thresholds of the table.
SHOWN = (0.1, 0.6, 1.0)
#: The three ways of finding the share that the answer is worded by.
WAYS = (SIMILARITY, FIXED, SEARCH)


def line(cell: dict[str, Any]) -> tuple[str, ...]:
    shares = [_percent(cell[kind]) for kind in ("near", "over", "far")]
    start = (cell["near_mode"], f"{cell['gap_threshold']:g}", *shares)
    if not cell["mixed"]:
        return (*start, "–", "–", "–", "–", "–")
    change = f"{cell['change']:+.3f} [{cell['low']:+.3f}, {cell['high']:+.3f}]"
    cosines = (f"{cell['before']:.3f}", f"{cell['after']:.3f}", change, f"{100 * cell['closer']:.0f}%")
    return (*start, f"{cell['share']:.2f}", *cosines)


def of_way(cells: Sequence[dict[str, Any]], way: str) -> list[dict[str, Any]]:
    return [cell for cell in cells if cell["near_mode"] == way]


def look_words(name: str, cells: Sequence[dict[str, Any]]) -> list[str]:
    """The default threshold, and the largest, by each way of finding the share."""
    words = []
    for threshold in (DEFAULT, max(THRESHOLDS)):
        found = {
            way: cell for way in WAYS for cell in of_way(cells, way) if cell["gap_threshold"] == threshold
        }
        if not found:
            continue
        near = max(cell["near"] + cell["over"] for cell in found.values())
        rows = _percent(near) if near else "none"
        start = f"With {name} and a threshold of {threshold:g}, {rows} of the rows are near"
        told = [f"by {way} {_direction(cell)}" for way, cell in found.items()] if near else []
        words.append(f"{start}: the positive is {'; '.join(told)}." if told else f"{start}.")
    return words


def conclusion(looks: Sequence[Row]) -> list[str]:
    """Over all encoders, at the largest threshold: how often each way brings the positive closer."""
    told = []
    for way in WAYS:
        cells = [
            cell
            for row in looks
            for cell in of_way(row["facts"]["grid"], way)
            if cell["gap_threshold"] == max(THRESHOLDS)
        ]
        closer = sum(bool(cell["mixed"]) and cell["low"] > 0 for cell in cells)
        left = sum(not cell["mixed"] for cell in cells)
        if cells:
            alone = f" (left alone with {left})" if left else ""
            told.append(f"by {way} with {closer} of {len(cells)} encoders{alone}")
    if not told:
        return []
    return [
        f"So, at a threshold of {max(THRESHOLDS):g}, mixing brings the positive closer to the query: "
        f"{', '.join(told)}. The paper's own aim, the largest margin, is the search."
    ]


def published_words(looks: Sequence[Row]) -> list[str]:
    """What the published objective does, which the code minimises: the near positive is given up."""
    words = []
    for row in looks:
        for cell in of_way(row["facts"]["grid"], PUBLISHED):
            if cell["gap_threshold"] == SHOWN[1] and cell["mixed"]:
                words.append(
                    f"with {row['factors']['look']} the negative's mean share is {cell['share']:.2f} and the cosine "
                    f"goes from {cell['before']:.3f} to {cell['after']:.3f}"
                )
    if not words:
        return []
    return [
        f"The objective of the published code, at a threshold of {SHOWN[1]:g}: {'; '.join(words)}. "
        "max_share=0.5 keeps the positive the larger part."
    ]


def _percent(share: float) -> str:
    """Few is not none, and nearly all not all.

    >>> _percent(0.0), _percent(0.002), _percent(0.5), _percent(0.998)
    ('0%', '0.2%', '50%', '99.8%')
    """
    percent = 100 * share
    return f"{percent:.1f}%" if 0 < percent < 1 or 99 < percent < 100 else f"{percent:.0f}%"


def _direction(cell: dict[str, Any]) -> str:
    """Closer, further away, or neither, by the interval of the change; or as it was, where the share found is 0."""
    if not cell["mixed"]:
        return "left as it is"
    span = (
        f"(cosine {cell['before']:.3f} to {cell['after']:.3f}, closer in {100 * cell['closer']:.0f}% of them)"
    )
    if cell["low"] > 0:
        return f"closer to the query {span}"
    if cell["high"] < 0:
        return f"further from the query {span}"
    return f"no clearly different distance from the query {span}"
