"""From the rows of metrics.jsonl to curves over steps, and the path on the plane of alignment and uniformity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contrapose.foreign import finite_number
from contrapose.report.record import Curve, PathPoint

#: In this order, where a run has them; other numbers follow by name.
FIRST = (
    "loss",
    "positive_cosine",
    "hardest_negative_cosine",
    "alignment",
    "uniformity",
    "mean_cosine",
    "accuracy",
    "entropy",
    "hardest_gradient",
    "grad_norm",
    "learning_rate",
)
#: The prefix of what the criterion measured on held-out rows.
CRITERION = "criterion "
#: Points that a curve is drawn with; longer ones are averaged in equal stretches.
MOST_POINTS = 400


def curves_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Curve, ...]:
    """A curve of every number: those of the steps, then those of the evaluations, named ``criterion ...``."""
    found: dict[str, list[tuple[int, float]]] = {}
    bad: dict[str, int] = {}
    for row in rows:
        scores = row.get("evaluation")
        items = (
            [(CRITERION + str(name), value) for name, value in scores.items()]
            if isinstance(scores, Mapping)
            else [(str(name), value) for name, value in row.items() if name not in ("step", "evaluation")]
        )
        for name, value in items:
            if (finite := finite_number(value)) is not None:
                found.setdefault(name, []).append((int(row["step"]), finite))
            elif value in ("NaN", "Infinity", "-Infinity"):
                bad[name] = bad.get(name, 0) + 1
    order = [
        *(name for name in FIRST if name in found),
        *sorted(set(found) - set(FIRST), key=_criterion_last),
    ]
    return tuple(
        Curve(
            name=name,
            steps=tuple(step for step, _ in found[name]),
            values=tuple(value for _, value in found[name]),
            not_finite=bad.get(name, 0),
        )
        for name in order
    )


def _criterion_last(name: str) -> tuple[bool, str]:
    return name.startswith(CRITERION), name


def path_of(rows: Iterable[Mapping[str, Any]]) -> tuple[PathPoint, ...]:
    """Alignment and uniformity on held-out rows at every evaluation that has both.

    >>> path_of([{"step": 0, "evaluation": {"alignment": 1.0, "uniformity": -2.0}}, {"step": 1, "loss": 3.0}])
    (PathPoint(step=0, alignment=1.0, uniformity=-2.0),)
    """
    points = []
    for row in rows:
        scores = row.get("evaluation")
        if not isinstance(scores, Mapping):
            continue
        alignment, uniformity = (
            finite_number(scores.get("alignment")),
            finite_number(scores.get("uniformity")),
        )
        if alignment is not None and uniformity is not None:
            points.append(PathPoint(step=int(row["step"]), alignment=alignment, uniformity=uniformity))
    return tuple(points)


def thinned(
    steps: Sequence[int], values: Sequence[float], most: int = MOST_POINTS
) -> list[tuple[float, float]]:
    """(step, value) for drawing: means over equal stretches where there are more than ``most`` points.

    >>> thinned([1, 2, 3, 4], [1.0, 3.0, 5.0, 7.0], most=2)
    [(1.5, 2.0), (3.5, 6.0)]
    """
    stretch = -(-len(steps) // most) if steps else 1
    return [
        (
            sum(steps[start : start + stretch]) / len(steps[start : start + stretch]),
            sum(values[start : start + stretch]) / len(values[start : start + stretch]),
        )
        for start in range(0, len(steps), stretch)
    ]


def bad_steps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the rows say went wrong, in words."""
    skipped = [row["step"] for row in rows if row.get("skipped")]
    alarms = [row["step"] for row in rows if row.get("alarm")]
    told = []
    if skipped:
        told.append(
            f"{len(skipped):,} steps were skipped because loss or gradient were not finite, first step {skipped[0]}"
        )
    if alarms:
        told.append(f"the alarm for a collapsing space rang at step {alarms[0]}")
    return told
