"""A run in progress: its settings, what it is made of, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrapose.contract import TrainingProtocol
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.listening import Listener
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.objective import Objective
from contrapose.selection.budget import EvaluationPlan
from contrapose.selection.criterion import Criterion, Monitor
from contrapose.train.batches import Batches
from contrapose.train.distributed import ProcessGroup
from contrapose.train.progress import Progress
from contrapose.train.refreshed_texts import RefreshedTexts
from contrapose.train.settings import RunSettings
from contrapose.train.step import Computed, StepPlan, TokenizedBatch, forward_backward
from contrapose.train.timings import Timings
from contrapose.train.track import MetricsLog


@dataclass
class Session:
    """A run in progress: its settings, what it is made of, and where it stands."""

    settings: RunSettings
    recipe: ConfiguredMethod
    folder: Path
    corpus: Corpus
    batches: Batches
    views: str
    encoder: Encoder
    objective: Objective
    protocol: TrainingProtocol
    modules: nn.ModuleDict
    optimizer: torch.optim.AdamW
    #: What is measured along the run.
    monitor: Monitor | None
    #: The same where it also chooses the checkpoint and judges the model.
    criterion: Criterion | None
    plan: StepPlan
    #: What text parts learn of the corpus between steps; None where none does.
    refreshed_texts: RefreshedTexts | None
    num_steps: int
    looks: EvaluationPlan
    listener: Listener
    metrics: MetricsLog
    timings: Timings
    processes: ProcessGroup
    progress: Progress
    facts: dict[str, Any]
    #: Loss and gradients of one batch.
    forward_backward: Callable[[Encoder, Objective, TokenizedBatch, StepPlan], Computed] = forward_backward

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def refreshes_at(self, step: int) -> bool:
        """Whether a part or a text part wants to see the whole corpus before the batch of this step."""
        texts = self.refreshed_texts
        return self.objective.refreshes_at(step) or (texts is not None and texts.refreshes_at(step))

    @property
    def eval_every(self) -> int:
        return self.looks.eval_every

    @property
    def precision(self) -> str:
        return "bf16" if self.plan.bf16 else "fp32"
