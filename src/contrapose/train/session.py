"""A run in progress: its settings, what it is made of, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
from contrapose.train.companions import Companions
from contrapose.train.distributed import ProcessGroup
from contrapose.train.labels import Labels
from contrapose.train.progress import Progress
from contrapose.train.refreshed_texts import RefreshedTexts
from contrapose.train.settings import RunSettings
from contrapose.train.step import Computed, StepPlan, TokenizedBatch, forward_backward
from contrapose.train.timings import Timings
from contrapose.train.track import MetricsLog

#: Loss and gradients of one batch.
ForwardBackward = Callable[[Encoder, Objective, TokenizedBatch, StepPlan], Computed]


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Where the batches of a run come from.

    held_out: the rows of the corpus that are not trained on; views: the names of the text parts; labels: where the
    method reads them; refreshed: what text parts learn of the corpus between steps, None where none does
    """

    corpus: Corpus
    held_out: np.ndarray
    batches: Batches
    views: str
    labels: Labels | None = None
    refreshed: RefreshedTexts | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is trained, and what stands beside it. modules: all of that which learns or remembers, in one tree"""

    encoder: Encoder
    objective: Objective
    protocol: TrainingProtocol
    modules: nn.ModuleDict
    companions: Companions | None = None


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What is measured on held-out text along the run, and how often.

    criterion: the monitor where it also chooses the checkpoint and judges the model; seconds: that the look before the
    first step took
    """

    monitor: Monitor | None
    criterion: Criterion | None
    plan: EvaluationPlan
    seconds: float = 0.0


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
    #: "fp32" or "bf16": of the steps, and of what is encoded between them.
    precision: str
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
    forward_backward: ForwardBackward = forward_backward

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
