"""A run in progress: its settings, what it is made of, where it stands, and the way back to a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contrapose.contract import TrainingProtocol
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ResumeRefused
from contrapose.listening import Listener
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.objective import Objective
from contrapose.selection.budget import EvaluationPlan
from contrapose.selection.criterion import Criterion, Monitor
from contrapose.train import checkpoint as checkpoints
from contrapose.train.batches import Batches
from contrapose.train.distributed import ProcessGroup
from contrapose.train.modules import trainable
from contrapose.train.optimizer import restore_optimizer
from contrapose.train.progress import Progress
from contrapose.train.refreshed_texts import RefreshedTexts
from contrapose.train.run_folder import read_rows
from contrapose.train.settings import RunSettings
from contrapose.train.step import Computed, StepPlan, TokenizedBatch, forward_backward
from contrapose.train.track import MetricsLog, seconds_by_part


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
    processes: ProcessGroup
    progress: Progress
    facts: dict[str, Any]
    #: Loss and gradients of one batch.
    forward_backward: Callable[[Encoder, Objective, TokenizedBatch, StepPlan], Computed] = forward_backward
    #: Seconds that the run took in the processes before this one, as far as they wrote them down.
    earlier: float = 0.0

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Write down how long the block took, at the step where the run stands."""
        began = time.perf_counter()
        yield
        self._write_seconds(**{part: time.perf_counter() - began})

    def tell_preparation(self, began: float, looking: float) -> None:
        """Count what earlier processes took, then write down what this one did since ``began``, before any step."""
        if self.metrics.timings_path.exists():
            self.earlier = sum(seconds_by_part(read_rows(self.metrics.timings_path)).values())
        self._write_seconds(preparing=time.perf_counter() - began - looking, looking=looking)

    def _write_seconds(self, **parts: float) -> None:
        if self.processes.is_first:
            seconds = {f"{part}_seconds": round(taken, 4) for part, taken in parts.items()}
            self.metrics.write_timing({"step": self.progress.step, **seconds})

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


def restore_latest_checkpoint(session: Session) -> None:
    """Continue from the newest good checkpoint; from the beginning where there is none yet."""
    saved = checkpoints.load_newest(session.checkpoints, session.listener.notice)
    if saved is None:
        if session.processes.is_first:
            session.metrics.cut_after(-1)
        session.listener.notice("no checkpoint yet: the run starts from its beginning")
        return
    restore(session, saved)
    session.progress = Progress.from_state(saved.step, saved.state)
    if session.processes.is_first:
        session.metrics.cut_after(saved.step)


def restore(session: Session, saved: checkpoints.Checkpoint) -> None:
    """Put the modules and the optimizer of a checkpoint back."""
    device = session.encoder.device
    try:
        session.modules.load_state_dict(saved.modules)
        on_device = {name: tensor.to(device) for name, tensor in saved.optimizer.items()}
        restore_optimizer(session.optimizer, trainable(session.modules), on_device)
    except (RuntimeError, KeyError) as error:
        raise ResumeRefused(f"the checkpoint does not fit this model: {error}") from None
