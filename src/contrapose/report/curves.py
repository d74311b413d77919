"""From the rows of metrics.jsonl to curves over steps, and the path on the plane of alignment and uniformity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean as mean
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
    "hardest_share",
    "grad_norm",
    "learning_rate",
)
#: What a number is called in the rows of older runs -> its name now.
RENAMED = {"hardest_gradient": "hardest_share"}
#: The prefix of what the criterion measured on held-out rows.
CRITERION = "criterion "
#: Points that a curve is drawn with; longer ones are averaged in equal stretches.
MOST_POINTS = 400


def curves_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Curve, ...]:
    """A curve of every number: those of the steps, then those of the evaluations, named ``criterion ...``."""
    points: dict[str, list[tuple[int, float]]] = {}
    not_finite: Counter[str] = Counter()
    for row in rows:
        scores = row.get("evaluation")
        if isinstance(scores, Mapping):
            numbers = {f"{CRITERION}{name}": value for name, value in scores.items()}
        else:
            numbers = {name: value for name, value in row.items() if name not in ("step", "evaluation")}
        for name, value in numbers.items():
            if (finite := finite_number(value)) is not None:
                points.setdefault(RENAMED.get(name, name), []).append((int(row["step"]), finite))
            elif value in ("NaN", "Infinity", "-Infinity"):
                not_finite[RENAMED.get(name, name)] += 1
    others = sorted(set(points) - set(FIRST), key=lambda name: (name.startswith(CRITERION), name))
    curves = []
    for name in (*(name for name in FIRST if name in points), *others):
        steps, values = zip(*points[name], strict=True)
        curves.append(Curve(name=name, steps=steps, values=values, not_finite=not_finite[name]))
    return tuple(curves)


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
    parts = (slice(start, start + stretch) for start in range(0, len(steps), stretch))
    return [(mean(steps[part]), mean(values[part])) for part in parts]


def bad_steps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the rows say went wrong, in words."""
    skipped = [row["step"] for row in rows if row.get("skipped")]
    alarms = [row["step"] for row in rows if row.get("alarm")]
    warnings = []
    if skipped:
        warnings.append(
            f"{len(skipped):,} steps were skipped because loss or gradient were not finite, first step {skipped[0]}"
        )
    if alarms:
        warnings.append(f"the alarm for a collapsing space rang at step {alarms[0]}")
    return warnings
