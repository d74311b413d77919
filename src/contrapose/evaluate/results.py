"""A number and everything needed to compare it: task, protocol, rows, split, text form, model.

Spearman over all pairs of a year and the mean over its parts differ by points; raw and tokenised text differ by
tenths. So no number travels without these, and an average over unlike numbers is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measured number.

    value: in the metric's unit (Spearman x 100); NaN where the metric is undefined, and ``details`` says why.
    rows: how many rows (pairs, or sentences) the number is made of.
    model: the fingerprint of the encoder.
    text: "raw" or "tokenised", as the files hold it.
    per_example: the scores behind the value, for its interval and for comparing models; not part of the JSON.
    """

    task: str
    metric: str
    value: float
    protocol: str
    rows: int
    model: str
    split: str
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
    per_example: PerExampleScores | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of_scores(
        cls, scores: PerExampleScores | None, *, details: Mapping[str, Any], **facts: Any
    ) -> Result:
        """The number that ``scores`` give, with its interval; without scores NaN, and ``details`` says why.

        facts: the other fields, see the class.
        """
        if scores is None:
            return cls(value=float("nan"), details=details, **facts)
        interval = scores.interval()
        with_interval = {**details, "interval": [interval.low, interval.high]}
        return cls(value=interval.estimate, details=with_interval, per_example=scores, **facts)

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``json.dumps``; NaN becomes null, which JSON can hold."""
        names = ("task", "metric", "value", "protocol", "rows", "split", "text", "model", "details")
        plain: dict[str, Any] = json_ready({name: getattr(self, name) for name in names})
        return plain


@dataclass(frozen=True, kw_only=True)
class Average:
    """The mean of results that may be averaged: one metric, protocol, split and model.

    rows: of all tasks together. interval: 95%, or None where a part has none; see :func:`average`.
    """

    over: tuple[str, ...]
    protocol: str
    value: float
    metric: str
    split: str
    text: str
    rows: int
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        names = ("over", "protocol", "value", "interval", "rows", "metric", "split", "text")
        plain: dict[str, Any] = json_ready({name: getattr(self, name) for name in names})
        return plain


def average(results: Sequence[Result]) -> Average:
    """The unweighted mean of ``results``. NaN if one of them is NaN: a part that is undefined is not left out.

    Its interval is made of theirs: tasks have other rows, so their errors are independent, and on each side

        reach of the mean = sqrt(sum of the squared reaches of the parts) / number of parts

    Raises :class:`UsageError` for unlike results (protocol, metric, split, model), for a task that occurs twice, and
    for none at all. Different text forms are allowed and shown as "mixed".

    >>> def sts(task, value, protocol="senteval-all"):
    ...     return Result(task=task, metric="spearman", value=value, protocol=protocol, rows=9, model="m",
    ...                   split="test", text="raw")
    >>> average([sts("STS12", 70.0), sts("STS13", 80.0)]).value
    75.0
    >>> average([sts("STS12", 70.0), sts("STS13", 80.0, "senteval-mean")])
    Traceback (most recent call last):
    ...
    contrapose.errors.UsageError: refusing to average across protocols: senteval-all, senteval-mean. ...
    """
    if not results:
        raise UsageError("nothing to average: no results")
    for name in ("protocol", "metric", "split", "model"):
        values = sorted({str(getattr(result, name)) for result in results})
        if len(values) > 1:
            raise UsageError(
                f"refusing to average across {name}s: {', '.join(values)}. Evaluate all tasks with one {name}."
            )
    over = tuple(result.task for result in results)
    if len(set(over)) < len(over):
        raise UsageError(f"refusing to average a task with itself: {', '.join(over)}")
    texts = {result.text for result in results}
    return Average(
        over=over,
        protocol=results[0].protocol,
        value=math.fsum(result.value for result in results) / len(results),
        metric=results[0].metric,
        split=results[0].split,
        text=texts.pop() if len(texts) == 1 else "mixed",
        rows=sum(result.rows for result in results),
        interval=_interval_of_mean(results),
    )


def _interval_of_mean(results: Sequence[Result]) -> tuple[float, float] | None:
    if not all("interval" in result.details for result in results):
        return None
    mean = math.fsum(result.value for result in results) / len(results)
    below, above = (
        math.hypot(*(result.details["interval"][side] - result.value for result in results)) / len(results)
        for side in (0, 1)
    )
    return mean - below, mean + above


def json_ready(value: Any) -> Any:
    """Mappings, tuples and non-finite floats in the form that JSON has for them.

    >>> json_ready({"value": float("nan"), "over": ("a", "b")})
    {'value': None, 'over': ['a', 'b']}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
