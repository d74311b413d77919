"""Steps that belong together, such as those of a round of clients: a run is evaluated, and ends, after whole ones."""

from __future__ import annotations

from dataclasses import replace

from contrapose.contract import TrainingProtocol
from contrapose.errors import UsageError
from contrapose.selection.budget import EvaluationPlan
from contrapose.train.settings import RunSettings


def check_steps_together(protocol: TrainingProtocol, settings: RunSettings, num_steps: int) -> None:
    """Raise UsageError where a run would end, or be evaluated, in the middle of steps that belong together."""
    together = protocol.steps_together
    if rest := num_steps % together:
        nearest = [steps for steps in (num_steps - rest, num_steps - rest + together) if steps]
        raise UsageError(
            f"'{protocol.name}' has {together} steps that belong together, and {num_steps} are no multiple of "
            f"{together}: give --steps {' or '.join(map(str, nearest))}"
        )
    if (every := settings.selection.eval_every) is not None and every % together:
        raise UsageError(
            f"'{protocol.name}' has {together} steps that belong together, so --eval-every must be a multiple of "
            f"{together}, and is {every}"
        )


def after_whole_ones(plan: EvaluationPlan, protocol: TrainingProtocol) -> EvaluationPlan:
    """The plan with evaluations after whole groups of steps: no more of them than it had."""
    together = protocol.steps_together
    return replace(plan, eval_every=-(-plan.eval_every // together) * together)
