"""Steps that belong together, such as those of a round of clients: a run is evaluated, and ends, after whole ones."""

from __future__ import annotations

from dataclasses import replace

from contrapose.contract import TrainingProtocol
from contrapose.errors import UsageError
from contrapose.selection.budget import EvaluationPlan
from contrapose.train.settings import RunSettings


def check_steps_together(protocol: TrainingProtocol, settings: RunSettings, num_steps: int) -> None:
    """Raise UsageError where a run would end, or be evaluated, in the middle of steps that belong together."""
    together, called = protocol.steps_together, protocol.called_together
    why = f" ({protocol.counted_together})" if protocol.counted_together else ""
    one = f"a {called} of '{protocol.name}' is {together:,} steps{why}"
    if rest := num_steps % together:
        nearest = [steps for steps in (num_steps - rest, num_steps - rest + together) if steps]
        raise UsageError(
            f"{one}, and the {num_steps:,} of this run are not a whole number of {called}s: give --steps "
            f"{' or '.join(map(str, nearest))}, or a shorter {called}"
        )
    if (every := settings.selection.eval_every) is not None and every % together:
        raise UsageError(
            f"{one}, and a run is evaluated after whole {called}s: --eval-every must be a multiple of {together}, "
            f"and is {every}"
        )


def after_whole_ones(plan: EvaluationPlan, protocol: TrainingProtocol) -> EvaluationPlan:
    """The plan with evaluations after whole groups of steps: no more of them than it had."""
    together = protocol.steps_together
    return replace(plan, eval_every=-(-plan.eval_every // together) * together)
