"""What a person sees of a training run: the facts before it, a line for each step, how far it is, the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from contrapose.cli import console
from contrapose.cli.time_left import TimeLeft, in_words
from contrapose.selection.scores import told

#: Steps to have seen before anything is said of their speed; the first ones are slower than the rest.
ENOUGH_STEPS = 5


class TrainingProgress:
    """Where a run stands. The encoding of held-out text is part of the way, and of the time left.

    seconds_of_look: what one evaluation on held-out text took before the first step.
    """

    def __init__(
        self,
        first_step: int,
        num_steps: int,
        facts: Mapping[str, Any],
        seconds_of_look: float | None = None,
        now: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        every, closing = int(facts.get("eval_every", num_steps)), int(facts.get("closing_looks", 0))
        self.first_step, self.num_steps, self.step = first_step, num_steps, first_step
        self._loss: Any = None
        self._loss_of = str(facts.get("loss_of", ""))
        self._baseline: float | None = None
        self._just_evaluated = False
        self._look_in_steps, self._looks = float(facts.get("look_in_steps", 0.0)), first_step // every
        self.total = num_steps + self._look_in_steps * (int(facts.get("evaluations", 0)) + closing)
        evaluations = num_steps // every - first_step // every + (num_steps % every > 0)
        plan = {"step": num_steps - first_step, "evaluation": evaluations, "closing": closing}
        if first_step >= num_steps:
            plan["evaluation"] = 0
        as_much = {"evaluation": "look", "closing": "look"}
        self.time_left = TimeLeft(plan, enough=ENOUGH_STEPS, like=as_much, now=now)
        if seconds_of_look is not None:
            self.time_left.took("look", seconds_of_look)

    def stepped(self, step: int, row: Mapping[str, Any]) -> None:
        """Step ``step`` ended now."""
        seconds, usual = self.time_left.mark(), self.time_left.each("step")
        if self._just_evaluated and usual is not None:
            # A checkpoint was saved in between: what is above a step belongs to the evaluation.
            self.time_left.took_more("evaluation", seconds - usual)
        else:
            self.time_left.took("step", seconds)
        self.time_left.plan["step"] = self.num_steps - step
        self._just_evaluated, self.step, self._loss = False, step, row.get("loss")

    def looked(self, seconds: float) -> None:
        """An evaluation on held-out text took so long; after the last step's, it was one of a blend."""
        self._looks += 1
        self.time_left.took("look", seconds)
        if self.step >= self.num_steps and not self.time_left.plan["evaluation"]:
            self.time_left.plan["closing"] = max(0, self.time_left.plan["closing"] - 1)
            self.time_left.mark()

    def evaluated(self, step: int, score: float, is_best: bool) -> str:
        """The checkpoint was scored; what to say of it."""
        if step == 0:
            self._baseline = score
            return f"before training: {self._in_words(score)}"
        # The pretrained model was evaluated before: that evaluation takes no time, and would mislead the estimate.
        if step > self.first_step:
            self.time_left.done("evaluation")
            self._just_evaluated = True
        # "The best so far" of steps that are all no better than the baseline would praise what is no gain.
        below = self._baseline is not None and score <= self._baseline
        praise = ", no better than before training" if below else ", the best step so far" if is_best else ""
        return f"step {step}: {self._in_words(score)}{praise}"

    def _in_words(self, score: float) -> str:
        """A criterion's score; or a loss, whose score is what it lies below zero."""
        return f"{self._loss_of} {-score:.3f}" if self._loss_of else f"score {told(score)}"

    def completed(self, of_look: float = 0.0) -> float:
        """In steps; an evaluation on held-out text counts as the steps that take as long."""
        return self.step + self._look_in_steps * (self._looks + of_look)

    def left_in_words(self) -> str:
        """The time left; after the last step, that of the evaluations to come."""
        seconds = self.time_left.seconds()
        return "all steps done" if self.step >= self.num_steps and not seconds else in_words(seconds)

    def words(self, *, between: str = ", ") -> str:
        """
        >>> training = TrainingProgress(0, 9, {})
        >>> training.stepped(1, {"loss": 0.51234}); training.words(between=": ")
        '1/9: loss 0.5123, measuring speed'
        """
        loss = [f"loss {self._loss:.4g}"] if isinstance(self._loss, float | int) else []
        return f"{self.step}/{self.num_steps}{between}{', '.join([*loss, self.left_in_words()])}"


def fact_lines(first_step: int, num_steps: int, facts: Mapping[str, Any]) -> list[str]:
    """What is worth knowing before the first step, for people."""
    lines = [str(line) for line in facts.get("account", ())]
    if "lines" in facts:  # of a run that trains no sentence encoder
        lines += facts["lines"]
    else:
        lines += _contrast_lines(facts)
    if first_step:
        lines.append(f"continuing after step {first_step} of {num_steps}")
    return lines


def _contrast_lines(facts: Mapping[str, Any]) -> list[str]:
    """What is compared with what, and what chooses the checkpoint."""
    lines = []
    lines.append(
        f"{facts['rows']:,} rows to train on, {facts['held_out']:,} held out; views: {facts['views']}; "
        f"{facts['device']}, {facts['precision']}"
        + (f", {facts['processes']} processes share each batch" if facts.get("processes", 1) > 1 else "")
    )
    if str(facts.get("chunks", "")).startswith("chunks"):
        lines.append(facts["chunks"])
    lines += [str(line) for name in ("of_views", "companions") for line in facts.get(name, ())]
    if "view_cosine" in facts:
        lines.append(
            f"two dropout views of a text have a mean cosine of {facts['view_cosine']:.4f} (1 would teach nothing)"
        )
    if facts.get("temperature"):
        lines.append(
            f"temperature {facts['temperature']:g} (the same as a scale of {1 / facts['temperature']:g})"
        )
    lines.append(f"the checkpoint is chosen by: {facts['criterion']}")
    if facts.get("evaluations"):
        lines.append(_looks_line(int(facts["evaluations"]), int(facts["closing_looks"])))
    return lines


def _looks_line(evaluations: int, blends: int) -> str:
    """How often held-out text is encoded, over the whole run.

    >>> _looks_line(1, 3)
    'it is measured 5 times: the pretrained model, 1 evaluation, 3 blends with the pretrained model'
    """
    parts = ["the pretrained model", console.counted(evaluations, "evaluation")]
    if blends:
        parts.append(f"{console.counted(blends, 'blend')} with the pretrained model")
    return f"it is measured {1 + evaluations + blends} times: {', '.join(parts)}"
