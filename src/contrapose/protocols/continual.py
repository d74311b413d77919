"""Continual training: several corpora, learnt one after the other in one run, each against what was learnt before.

    task k:  task_steps steps on rows of corpus k alone, the last task until the run ends
    before task k > 1:  companions that are copies (``previous=self``) take the weights as they are now

So with ``pnr`` each task is learnt against the model that the task before it made; what a first task is learnt against
is the pretrained model. Every batch is of one corpus only. A queue (``--with queue``, ``pool=queue``) is not emptied
where a task begins, so at first it still holds vectors of the corpus before. In the order in which they are given,
corpora are tasks; where a task begins is the same whatever the run's length becomes later.

Cha, Cho, Moon 2024, https://arxiv.org/abs/2306.05101, in whose code every task is a run with an optimizer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from contrapose.contract import TrainingProtocol
from contrapose.errors import UsageError


class Continual(TrainingProtocol):
    """Corpora as tasks, one after the other. See the module's docstring."""

    name = "continual"
    idea = "The corpora are learnt one after the other, each against the model that the one before it made."
    excludes: ClassVar[Mapping[str, str]] = {
        "retrieved": "Retrieved negatives are of the whole corpus, so that a step would learn from text whose turn has "
        "not come.",
        "propensity-pairs": "Its positives and negatives are sampled from the whole corpus, so that a step would learn "
        "from text whose turn has not come.",
        "cluster-filter": "Clusters are made of the whole corpus, text whose turn has not come among it.",
    }
    #: An earlier model that is to follow the tasks must be a copy.
    defaults: ClassVar[Mapping[str, Any]] = {"previous": "self"}

    steps_of_a_task: Tensor

    def __init__(
        self,
        *,
        task_steps: Annotated[
            int | None,
            Field(ge=1, description="steps on each corpus; none: the run's steps in equal shares"),
        ] = None,
        restart_optimizer: Annotated[
            bool, Field(description="the optimizer forgets its moments where another corpus begins")
        ] = True,
    ) -> None:
        super().__init__()
        self.task_steps, self.restart_optimizer = task_steps, restart_optimizer

    def attach(self, weights: Mapping[str, Tensor], rows: Tensor, *, seed: int) -> None:
        """Part the rows by corpus. Raises UsageError for one corpus, one that is too small, or tasks never reached."""
        starts = torch.tensor(self.run.corpus_starts)
        num_tasks = len(starts)
        if num_tasks < 2:
            raise UsageError(
                "--with continual learns several corpora one after the other, and there is one: give the others "
                "behind it"
            )
        corpus_of_row = torch.searchsorted(starts, rows, right=True) - 1
        self.rows_of_task = [rows[corpus_of_row == task] for task in range(num_tasks)]
        sizes = [len(own) for own in self.rows_of_task]
        if min(sizes) < self.run.batch_size:
            raise UsageError(
                f"--with continual: corpus {1 + sizes.index(min(sizes))} has {min(sizes)} rows to train on, and "
                f"batch_size is {self.run.batch_size}: give more text, or a smaller --batch-size"
            )
        steps = self.task_steps or -(-self.run.num_steps // num_tasks)
        if steps * (num_tasks - 1) >= self.run.num_steps:
            raise UsageError(
                f"--with continual: {num_tasks} corpora with {steps} steps each, and the run has {self.run.num_steps}, "
                "so the last is never learnt: give more --steps, or a smaller task_steps"
            )
        # In a buffer, so that a run that is made longer keeps its boundaries.
        self.register_buffer("steps_of_a_task", torch.tensor(steps))

    def task_of(self, step: int) -> int:
        """The number of the corpus, from 0, that a step learns."""
        return min(step // int(self.steps_of_a_task), len(self.rows_of_task) - 1)

    def rows(self, step: int) -> Tensor:
        return self.rows_of_task[self.task_of(step)]

    def renews_copies_at(self, step: int) -> bool:
        return step > 0 and self.task_of(step) != self.task_of(step - 1)

    def restarts_optimizer_at(self, step: int) -> bool:
        return self.restart_optimizer and self.renews_copies_at(step)


PROTOCOL = Continual
