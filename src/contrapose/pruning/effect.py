"""What setting weights to zero did: numbers before and after on the same rows, paired where a number has rows.

On held-out text, always: alignment of two dropout views and the spread of every sentence (paired, row by row); the
uniformity, mean cosine and effective rank of all of them; and the verdict without labels, as after a training. With
labelled data: its tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.results import Result, json_ready
from contrapose.evaluate.statistics import PairedTest, holm, in_words, paired_test
from contrapose.listening import Listener
from contrapose.maths import geometry
from contrapose.seeds import seeded
from contrapose.selection.label_free import Judgement, probe_scores

#: Texts of one forward pass.
ROWS_PER_PASS = 64
#: Resamples of the interval of a paired difference.
RESAMPLES = 2_000
HELD_OUT = "held-out text"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One number before and after. low, high: the 95% interval of the paired change, where rows can be paired.

    word: "better", "worse" or "no clear change"; "" where no test says so.
    """

    task: str
    metric: str
    before: float
    after: float
    low: float | None = None
    high: float | None = None
    word: str = ""
    rows: int = 0

    def to_json(self) -> dict[str, Any]:
        return dict(json_ready(asdict(self)))


@dataclass(frozen=True, eq=False)
class Look:
    """Held-out sentences as one encoder sees them: scores of each, and the vectors (N, D) without dropout."""

    scores: dict[str, np.ndarray]
    vectors_ND: torch.Tensor


def look(encoder: Encoder, texts: Sequence[str], precision: str, *, seed: int, listener: Listener) -> Look:
    """``seed``: of the dropout, which draws the same masks before and after."""
    sides = []
    with (
        listener.task("looking at held-out text", 3 * len(texts), "text"),
        encoder.in_mode(training=True),
        torch.no_grad(),
        torch.autocast(encoder.device.type, torch.bfloat16, enabled=precision == "bf16"),
    ):
        ids = encoder.token_ids(list(texts))
        for view in (0, 1):
            parts = []
            for start in range(0, len(ids), ROWS_PER_PASS):
                with seeded(seed, "held-out views", view, start, device=encoder.device):
                    parts.append(encoder.pooled(ids[start : start + ROWS_PER_PASS]).float().cpu().numpy())
                listener.advance(len(parts[-1]))
            sides.append(np.concatenate(parts))
        with encoder.in_mode(training=False):
            vectors_ND = encoder.encode(
                list(texts), normalize=False, precision=precision, progress=listener.advance
            )
    return Look(probe_scores(*sides), torch.as_tensor(vectors_ND).float())


def effects_on_held_out(before: Look, after: Look) -> list[Effect]:
    """Alignment and spread with their paired intervals, and three numbers of all sentences together."""
    effects = []
    for metric, name, sign in (("alignment", "closeness", -1.0), ("spread", "spread", 1.0)):
        old, new = before.scores[name], after.scores[name]
        test = paired_test(old, new, resamples=RESAMPLES)
        low, high = sorted((sign * test.low, sign * test.high))
        effects.append(
            Effect(
                task=HELD_OUT,
                metric=metric,
                before=sign * float(old.mean()),
                after=sign * float(new.mean()),
                low=low,
                high=high,
                word=in_words(test),
                rows=len(old),
            )
        )
    for measure in (geometry.uniformity, geometry.mean_cosine, geometry.effective_rank):
        values = [float(measure(seen.vectors_ND)) for seen in (before, after)]
        rows = len(before.vectors_ND)
        effects.append(
            Effect(task=HELD_OUT, metric=measure.__name__, before=values[0], after=values[1], rows=rows)
        )
    return effects


def effects_on_tasks(before: Sequence[Result], after: Sequence[Result]) -> list[Effect]:
    """Every task that both hold; p-values are corrected for all of them together (Holm)."""
    later = {(result.task, result.metric, result.protocol, result.split): result for result in after}
    pairs = [
        (old, later[key])
        for old in before
        if (key := (old.task, old.metric, old.protocol, old.split)) in later
    ]
    tests: list[PairedTest | None] = [
        old.per_example.change_to(new.per_example)
        if old.per_example is not None and new.per_example is not None
        else None
        for old, new in pairs
    ]
    corrected = iter(holm([test.p_value for test in tests if test is not None]))
    return [
        Effect(
            task=old.task,
            metric=old.metric,
            before=old.value,
            after=new.value,
            low=None if test is None else test.low,
            high=None if test is None else test.high,
            word=_undefined(old, new) if test is None else in_words(test, next(corrected)),
            rows=old.rows,
        )
        for (old, new), test in zip(pairs, tests, strict=True)
    ]


def _undefined(before: Result, after: Result) -> str:
    """A number that is there no longer: the encoder gives all texts one vector."""
    return "worse" if math.isnan(after.value) and not math.isnan(before.value) else ""


def in_sentence(effects: Sequence[Effect], judgement: Judgement | None) -> str:
    """What the numbers say, the labelled ones first.

    >>> def sts(task, word):
    ...     return Effect(task=task, metric="spearman", before=70.0, after=69.0, word=word)
    >>> in_sentence([sts("STS12", "worse"), sts("STS13", "no clear change")], None)
    'It harms: STS12 is clearly worse than before, and none of the 2 tasks is clearly better.'
    """
    tasks = [effect for effect in effects if effect.task != HELD_OUT and effect.word]
    if tasks:
        worse, better = (
            [effect.task for effect in tasks if effect.word == word] for word in ("worse", "better")
        )
        if worse:
            none = "" if len(tasks) == 1 else f", and none of the {len(tasks)} tasks is clearly better"
            also = f", and {_listed(better)} clearly better" if better else none
            return f"It harms: {_listed(worse)} clearly worse than before{also}."
        if better:
            return f"It helps: {_listed(better)} clearly better than before, and no task is clearly worse."
        where = f"any of the {len(tasks)} tasks" if len(tasks) > 1 else tasks[0].task
        return f"No clear change on {where}: what differs could be chance."
    if judgement is None:
        return "Not judged: too little text was held out. Give --data with labelled tasks, or more text."
    clear = {"better": judgement.measure.rose, "worse": judgement.measure.fell}.get(
        in_words(judgement.because)
    )
    if judgement.word == "harms":
        return f"It harms, as far as text without labels can tell: {clear}."
    if judgement.word == "helps":
        return f"It helps, as far as text without labels can tell: {clear}."
    return "Without labels there is no sure sign of help or harm; give --data with labelled tasks."


def _listed(tasks: Sequence[str]) -> str:
    return f"{', '.join(tasks)} {'is' if len(tasks) == 1 else 'are'}"
