"""How long each part of a run took: written down as it happens, added up over all of the run's processes.

``timings.jsonl`` has a row for every step, ``{"step": 7, "seconds": 0.5}``, and one for whatever else was done,
``{"step": 7, "saving_seconds": 0.1}``. As in ``metrics.jsonl``, a run that goes on forgets what it will do again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contrapose.storage.durable import append_line
from contrapose.train.run_folder import read_rows
from contrapose.train.track import forget_after, strict_json


class Timings:
    """The clock of one process of a run.

    began: the reading of ``time.perf_counter`` when the call for the run came
    writes: whether this process writes: of several, the first does
    """

    def __init__(self, folder: Path, *, began: float, writes: bool = True) -> None:
        self.path = folder / "timings.jsonl"
        self._began, self._writes = began, writes
        #: Seconds that the run took before this call of it, as far as they were written down.
        self._earlier = 0.0

    def prepared(self, step: int, *, looking: float) -> None:
        """The run stands at ``step`` and is ready to train: write down what that took, ``looking`` seconds of it
        for the first look at held-out text."""
        self._earlier = sum(seconds_by_part(self._rows()).values())
        self._write(
            step, preparing_seconds=time.perf_counter() - self._began - looking, looking_seconds=looking
        )

    def stepped(self, step: int, seconds: float) -> None:
        """Write down how long a step of training took."""
        self._write(step, seconds=seconds)

    @contextmanager
    def timed(self, part: str, step: int) -> Iterator[None]:
        """Write down how long the block took, at the step where the run stands."""
        began = time.perf_counter()
        yield
        self._write(step, **{f"{part}_seconds": time.perf_counter() - began})

    def cut_after(self, step: int) -> None:
        """Forget what was written after the checkpoint that the run continues from."""
        forget_after(self.path, step)

    def summary(self) -> dict[str, float]:
        """From the beginning of the run until now, in all of its processes, and what each part of that took."""
        whole = self._earlier + time.perf_counter() - self._began
        parts = seconds_by_part(self._rows())
        return {"seconds": round(whole, 1), **{name: round(taken, 1) for name, taken in parts.items()}}

    def rows_per_second(self, batch_size: int) -> float | None:
        """The batch size over the median of the steps' times; None before the first step."""
        times = sorted(row["seconds"] for row in self._rows() if "seconds" in row)
        median = times[len(times) // 2] if times else None
        return round(batch_size / median, 1) if median else None

    def _rows(self) -> list[dict[str, Any]]:
        return read_rows(self.path) if self.path.exists() else []

    def _write(self, step: int, **seconds: float) -> None:
        if self._writes:
            rounded = {name: round(taken, 4) for name, taken in seconds.items()}
            append_line(self.path, strict_json({"step": step, **rounded}))


def seconds_by_part(timings: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What each part of a run took, of the rows of timings.jsonl.

    >>> seconds_by_part([{"step": 1, "seconds": 2.0}, {"step": 1, "looking_seconds": 1.0}, {"step": 2, "seconds": 2.0}])
    {'training_seconds': 4.0, 'looking_seconds': 1.0}
    """
    seconds: dict[str, float] = {}
    for row in timings:
        for name, value in row.items():
            if name.endswith("seconds") and isinstance(value, float | int):
                part = "training_seconds" if name == "seconds" else name
                seconds[part] = seconds.get(part, 0.0) + value
    return seconds
