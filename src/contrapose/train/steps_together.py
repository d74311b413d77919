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
    if rest := num_steps % together:
        nearest = [steps for steps in (num_steps - rest, num_steps - rest + together) if steps]
        raise UsageError(
            f"{_of_one(protocol)}, and the {num_steps:,} of this run are not a whole number of {called}s: give "
            f"--steps {' or '.join(map(str, nearest))}, or a shorter {called}"
        )
    check_evaluated_together(protocol, settings.selection.eval_every)


def check_evaluated_together(protocol: TrainingProtocol, eval_every: int | None) -> None:
    """Raise UsageError where a run would be evaluated in the middle of steps that belong together."""
    together, called = protocol.steps_together, protocol.called_together
    if eval_every is not None and eval_every % together:
        raise UsageError(
            f"{_of_one(protocol)}, and a run is evaluated after whole {called}s: eval_every must be a multiple of "
            f"{together}, and is {eval_every}"
        )


def _of_one(protocol: TrainingProtocol) -> str:
    why = f" ({protocol.counted_together})" if protocol.counted_together else ""
    return f"a {protocol.called_together} of '{protocol.name}' is {protocol.steps_together:,} steps{why}"


def after_whole_ones(plan: EvaluationPlan, protocol: TrainingProtocol) -> EvaluationPlan:
    """The plan with evaluations after whole groups of steps: no more of them than it had."""
    together = protocol.steps_together
    return replace(plan, eval_every=-(-plan.eval_every // together) * together)
