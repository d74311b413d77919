"""How long work will still take, from what each kind of it took so far on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

#: The newest times count: a laptop slows down when it gets warm.
WINDOW = 50


class TimeLeft:
    """Told what was done of each kind of work, asked for the seconds that are left.

    plan        kind -> how many of it are to be done; the first kind is the one that is measured first
    enough      how often the first kind must be measured before anything is said
    like        kind -> the kind that it is taken to cost as much as, until it is measured itself
    alike       kinds whose units cost the same: their median counts, which one slow unit does not move; for others,
                the mean

    >>> times = iter([0.0, 10.0, 11.0, 12.0, 13.0, 13.0])
    >>> left = TimeLeft({"step": 105, "evaluation": 4}, enough=3, now=lambda: next(times))
    >>> left.done("evaluation")                                  # before the first step: 10 s
    >>> left.done("step"), left.done("step"), left.seconds()     # 1 s each
    (None, None, None)
    >>> left.done("step"), left.seconds()                        # 102 steps and 3 evaluations
    (None, 132.0)
    """

    def __init__(
        self,
        plan: Mapping[str, float],
        *,
        enough: int = 1,
        like: Mapping[str, str] | None = None,
        alike: tuple[str, ...] = ("step",),
        now: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self.plan = dict(plan)
        self._first, self._enough = next(iter(self.plan)), enough
        self._like, self._alike, self._now = like or {}, alike, now
        self._taken: dict[str, list[tuple[float, float]]] = {}
        self._mark = now()

    def mark(self) -> float:
        """What is done next begins now; the seconds since the last mark."""
        before, self._mark = self._mark, self._now()
        return self._mark - before

    def done(self, kind: str, count: float = 1) -> None:
        """So many ended now, which began at the last mark."""
        if count > 0:
            self.took(kind, self.mark(), count)

    def took(self, kind: str, seconds: float, count: float = 1) -> None:
        """So many took so long; they are no longer to be done."""
        self._taken[kind] = [*self._taken.get(kind, [])[1 - WINDOW :], (seconds, count)]
        if kind in self.plan:
            self.plan[kind] = max(0, self.plan[kind] - count)

    def took_more(self, kind: str, seconds: float) -> None:
        """The last of this kind took so much longer than was told."""
        before, count = self._taken[kind][-1]
        self._taken[kind][-1] = (before + max(0.0, seconds), count)

    def each(self, kind: str) -> float | None:
        """Seconds that one takes; None before one is measured."""
        taken = self._taken.get(kind) or self._taken.get(self._like.get(kind, kind))
        if not taken:
            return None
        if kind in self._alike:
            from statistics import median  # imported here: help needs none of what it brings

            return median(seconds / count for seconds, count in taken)
        return sum(seconds for seconds, _ in taken) / sum(count for _, count in taken)

    def seconds(self) -> float | None:
        """Seconds that are left; None while too little is measured."""
        if self.plan[self._first] > 0 and len(self._taken.get(self._first, ())) < self._enough:
            return None
        left = {kind: (count, self.each(kind) or 0.0) for kind, count in self.plan.items() if count > 0}
        under_way = min(self._now() - self._mark, max((each for _, each in left.values()), default=0.0))
        return max(0.0, sum(count * each for count, each in left.values()) - under_way)


def in_words(seconds: float | None) -> str:
    """No more exact than it is known.

    >>> in_words(None), in_words(1), in_words(47), in_words(200), in_words(9000)
    ('measuring speed', '10 s left', '50 s left', '3 min left', '2.5 h left')
    """
    if seconds is None:
        return "measuring speed"
    if seconds < 95:
        return f"{max(10, round(seconds / 10) * 10)} s left"
    if seconds < 5400:
        return f"{round(seconds / 60)} min left"
    return f"{seconds / 3600:.1f} h left"
