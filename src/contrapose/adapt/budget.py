"""What fits into the minutes that were given: measured on this machine with this encoder before anything is
trained, and looked at again before each training."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contrapose.adapt.signals import Signal
from contrapose.adapt.texts import DOCUMENTS, SHORT, Texts
from contrapose.text.salient import LENGTHS, SPANS

#: A step costs so many forward passes of its texts: forward with what the gradient needs, backward, optimizer, saving.
PASSES_PER_STEP = 3.0
#: Fewer steps than this share of a signal's teach too little to be tried.
LEAST_SHARE = 0.5
#: Looks at a signal, one at each share, and at all together: choice.py.
LOOKS = 2
#: Texts that are read again where something does not fit.
READ_AGAIN = 200
#: Of the time that is left, the share that is planned; the rest is for what a machine does meanwhile.
PLANNED = 0.9


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A signal of a kind of text, for so many steps; seconds are expected with all looks, and once for the training
    alone. steps is 0 where it does not fit."""

    kind: str
    signal: Signal
    steps: int
    seconds: float
    once: float = 0.0

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.signal.name}-{self.kind.replace(' ', '-')}"


@dataclass
class Pace:
    """What trainings took beside what was planned for them: a machine may have got other work since.

    >>> pace = Pace(planned=10.0, taken=25.0)
    >>> pace.fits(10.0, left=20.0), pace.fits(10.0, left=30.0), Pace().fits(10.0, left=20.0)
    (False, True, True)
    """

    planned: float = 0.0
    taken: float = 0.0

    def fits(self, seconds: float, left: float) -> bool:
        """Whether what was planned to take so long will be done in the time that is left."""
        slower = max(1.0, self.taken / self.planned) if self.planned else 1.0
        return seconds * slower <= left


def plan(
    wanted: Sequence[tuple[str, Signal]],
    rows: Mapping[str, int],
    words_per_row: Mapping[str, float],
    preparing: Mapping[str, float],
    *,
    seconds_per_word: float,
    seconds: float,
    look: float,
) -> list[Planned]:
    """How many steps of each signal fit, the first ones first.

    rows: kind -> rows to train on; words_per_row: kind -> mean words of a text of a row, as training cuts it;
    preparing: kind -> words that are read once to prepare; look: seconds of one proof. Each signal is followed by a
    look at each share of it, and so are all together.
    """
    left = PLANNED * seconds - LOOKS * look
    planned = []
    for kind, signal in wanted:
        step = signal.batch_size * signal.texts * words_per_row[kind] * PASSES_PER_STEP * seconds_per_word
        fixed = LOOKS * look + preparing[kind] * seconds_per_word
        wanted_steps = signal.steps_for(rows[kind])
        steps = min(wanted_steps, int((left - fixed) / step)) if step > 0 else wanted_steps
        if steps < LEAST_SHARE * signal.steps:
            planned.append(Planned(kind=kind, signal=signal, steps=0, seconds=fixed + signal.steps * step))
            continue
        once = preparing[kind] * seconds_per_word + steps * step
        seconds = once + LOOKS * look
        planned.append(Planned(kind=kind, signal=signal, steps=steps, seconds=seconds, once=once))
        left -= seconds
    return planned


def plan_texts(
    wanted: Sequence[tuple[str, Signal]], training: Sequence[Texts], **measured: float
) -> list[Planned]:
    """:func:`plan` for texts to train on, with what was measured: its last three arguments."""
    return plan(
        wanted,
        {texts.kind: len(texts) for texts in training},
        {texts.kind: words_per_text(texts) for texts in training},
        {texts.kind: words_to_prepare(texts) for texts in training},
        **measured,
    )


def fastest_reading(read: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Seconds for a word, the best of three readings: other work makes a machine slower, nothing makes it faster."""
    words = max(1, sum(len(text.split()) for text in texts))
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        read(texts)
        seconds.append(time.perf_counter() - began)
    return min(seconds) / words


def to_json(planned: Sequence[Planned]) -> dict[str, Any]:
    """The plan, as it is written."""
    return {
        "steps": {each.name: each.steps for each in planned},
        "seconds": {each.name: each.once for each in planned},
    }


def from_json(written: Mapping[str, Any], wanted: Sequence[tuple[str, Signal]]) -> list[Planned]:
    """The plan that was written, for the signals that are wanted; no steps for one that is not in it."""
    planned = [Planned(kind=kind, signal=signal, steps=0, seconds=0.0) for kind, signal in wanted]
    return [
        replace(
            each,
            steps=int(written["steps"].get(each.name, 0)),
            once=float(written.get("seconds", {}).get(each.name, 0.0)),
        )
        for each in planned
    ]


def words_to_prepare(texts: Texts) -> float:
    """Words that are read once before a signal is trained: all texts, and of documents the spans that are tried."""
    words = float(sum(len(text.split()) for text in texts.bodies))
    return words + (len(texts) * SPANS * sum(LENGTHS) / len(LENGTHS) if texts.kind == DOCUMENTS else 0.0)


def words_per_text(texts: Texts) -> float:
    """The mean length of a text as training cuts it: some three words for four tokens."""
    longest = 24 if texts.kind == SHORT else 48
    return sum(min(longest, len(text.split())) for text in texts.bodies) / len(texts)
