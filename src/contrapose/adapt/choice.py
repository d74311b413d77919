"""From what each signal taught to one model: shares of it, and averages over signals; the best by the questions is
taken only where it is proven.

    w(share, S) = w_start + share * ( mean over s in S of w_s  -  w_start )

Weights of several trainings of one start can be averaged, and the average keeps what all of them learned (Wortsman et
al. 2022, "Model soups", https://arxiv.org/abs/2203.05482).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from contrapose.adapt.proof import LEAST_OVERLAP, Change, Measured, Proof, changes, overlap
from contrapose.adapt.questions import SHAPE
from contrapose.selection.blend import blended

if TYPE_CHECKING:
    from torch import Tensor

    from contrapose.encoder.encoder import Encoder

#: Shares of what was trained that are looked at: of one signal, and where there are several.
SHARES, FEW_SHARES = (0.5, 0.75, 1.0), (0.5, 1.0)
#: What weights of words are called among the signals, and the average of all.
WEIGHED, TOGETHER = "words", "together"


@dataclass(frozen=True, kw_only=True)
class Option:
    """A model that was looked at. gain: mean over questions of the change, in standard deviations of the start's
    scores; kept: the share of general neighbours that stayed; power: of the weights of its words, 0 without."""

    signals: tuple[str, ...]
    share: float
    power: float = 0.0
    gain: float
    kept: float
    measured: Measured = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it learned from: the weights of words first."""
        return (WEIGHED, *self.signals) if self.power else self.signals


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The option that is taken, or None; why, in a sentence; of the best option and of every one the tests, by
    question."""

    taken: Option | None
    why: str
    options: tuple[Option, ...]
    tests: Mapping[str, Change]
    tests_of: tuple[Mapping[str, Change], ...] = ()


def choose(
    encoder: Encoder,
    start: Mapping[str, Tensor],
    trained: Mapping[str, Mapping[str, Tensor]],
    before: Measured,
    proof: Proof,
    words: Choice,
) -> Choice:
    """Look at every share of every signal, and of all together; the encoder ends with the weights that are taken.

    start, trained: weights, by name; those of each signal by its name. words: the looks at weights of words, which the
    encoder has where they were taken; they are the choice where nothing was trained.
    """
    if not trained:
        return words
    options = list(words.options)
    power = words.taken.power if words.taken is not None else 0.0
    for signals, share in mixtures(tuple(trained)):
        encoder.load_state_dict(mixed(start, [trained[name] for name in signals], share))
        options.append(looked_at(encoder, before, proof, signals=signals, share=share, power=power))
    # A power that was passed over is known to be worse than the one that was taken.
    choice = decide(before, options, apart=[at for at, each in enumerate(options) if each.power != power])
    weights = start if choice.taken is None or not choice.taken.signals else mixed(
        start, [trained[name] for name in choice.taken.signals], choice.taken.share
    )  # fmt: skip
    encoder.load_state_dict(dict(weights))
    if choice.taken is None and power:  # weights that the start itself brought stay
        encoder.word_weights = None
    return choice


def looked_at(
    encoder: Encoder,
    before: Measured,
    proof: Proof,
    *,
    signals: tuple[str, ...] = (),
    share: float = 1.0,
    power: float = 0.0,
) -> Option:
    """The encoder as it is, measured."""
    now = proof.measure(encoder)
    return Option(
        signals=signals,
        share=share,
        power=power,
        gain=_gain(before, now),
        kept=overlap(before, now),
        measured=now,
    )


def mixtures(names: Sequence[str]) -> Iterator[tuple[tuple[str, ...], float]]:
    """(signals, share) of every model that is looked at.

    >>> [(len(signals), share) for signals, share in mixtures(["a", "b"])]
    [(1, 0.5), (1, 1.0), (1, 0.5), (1, 1.0), (2, 0.5), (2, 1.0)]
    """
    groups = [(name,) for name in names] + ([tuple(names)] if len(names) > 1 else [])
    for group in groups:
        yield from ((group, share) for share in (SHARES if len(groups) == 1 else FEW_SHARES))


def decide(before: Measured, options: Sequence[Option], apart: Sequence[int] = ()) -> Choice:
    """The best option, if it is proven: clearly better on a question, clearly worse on none.

    apart: options that count in the intervals, since they were looked at, and cannot be taken.

    The best has the largest gain of those that are proven. Of those that are not clearly behind it, it is the one of
    the most signals: an average evens out the luck of each training, which held-out text is too little to do. Shape
    alone asks how good a compromise of two is, and its largest gain lies at a small share of the way; there the best is
    the largest share that is proven.
    """
    if not options:
        return Choice(
            taken=None, why="there was nothing to learn from that could be proven", options=(), tests={}
        )
    by_question = {key: changes(before, [each.measured for each in options], key) for key in before.scores}
    tests_of = [{key: found[at] for key, found in by_question.items()} for at in range(len(options))]
    staying = [at for at, option in enumerate(options) if option.kept >= LEAST_OVERLAP]
    staying = [at for at in staying if at not in apart]
    considered = staying or [at for at in range(len(options)) if at not in apart]
    proven = [at for at in considered if _proven(before, options[at], tests_of[at])]
    pool = proven or considered
    largest = max(pool, key=lambda at: options[at].gain)
    equal = [at for at in pool if not _clearly_behind(before, options[at], options[largest])]
    best = max(equal, key=lambda at: (len(options[at].names), options[at].gain))
    if proven and all(key.startswith(SHAPE) for key in before.scores):
        best = max(proven, key=lambda at: (options[at].share, options[at].gain))
    tests, option = tests_of[best], options[best]
    better, worse = _clear(before, option, tests)
    why = f"clearly better on {_listed(better)}"
    if not staying:
        why = (
            "what was learned moved more of the neighbours of general sentences than it may: "
            f"{option.kept:.0%} stayed, and {LEAST_OVERLAP:.0%} must"
        )
    elif worse:
        why = f"the best that was learned makes {_listed(worse)} clearly worse"
    elif not better:
        why = "no change that was learned is larger than chance on held-out text"
    taken = option if staying and better and not worse else None
    return Choice(taken=taken, why=why, options=tuple(options), tests=tests, tests_of=tuple(tests_of))


def _clear(before: Measured, option: Option, tests: Mapping[str, Change]) -> tuple[list[str], list[str]]:
    """(questions that are clearly better answered, clearly worse). Nothing is better where what a person is shown of it
    fell."""
    shown, now = before.shown, option.measured.shown
    better = [key for key, test in tests.items() if test.low > 0 and now.get(key, 0.0) >= shown.get(key, 0.0)]
    return better, [key for key, test in tests.items() if test.high < 0]


def _proven(before: Measured, option: Option, tests: Mapping[str, Change]) -> bool:
    better, worse = _clear(before, option, tests)
    return bool(better) and not worse


def _clearly_behind(before: Measured, one: Option, best: Option) -> bool:
    """Whether the gain of one is below that of the best by more than chance: twice the standard error of the mean of
    their paired differences over questions."""
    apart = [
        (best.measured.scores[key] - one.measured.scores[key]) / max(float(scores_N.std()), 1e-9)
        for key, scores_N in before.scores.items()
    ]
    variance = float(sum(d_N.var(ddof=1) / len(d_N) for d_N in apart)) / len(apart) ** 2
    return best.gain - one.gain > 2 * math.sqrt(variance)


def _gain(before: Measured, now: Measured) -> float:
    changes = [
        (now.scores[key] - scores_N).mean() / max(float(scores_N.std()), 1e-9)
        for key, scores_N in before.scores.items()
    ]
    return float(np.mean(changes))


def mixed(
    start: Mapping[str, Tensor], trained: Sequence[Mapping[str, Tensor]], share: float
) -> dict[str, Tensor]:
    """The mean of several trainings, blended with the start."""
    return blended(start, mean_of(trained), share)


def mean_of(trained: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several trainings; whole numbers are those of the first."""
    first, *others = trained
    return {
        name: w if not (others and w.is_floating_point()) else
        (sum((other[name].double() for other in others), start=w.double()) / len(trained)).to(w.dtype)
        for name, w in first.items()
    }  # fmt: skip


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(keys)
