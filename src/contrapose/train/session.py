"""A run in progress: what it was told, what it is made of, where it stands, and the way back to a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ResumeRefused
from contrapose.objectives.catalogue import Recipe
from contrapose.objectives.objective import Objective
from contrapose.train import checkpoint as checkpoints
from contrapose.train.batches import Batches
from contrapose.train.distributed import World
from contrapose.train.optimizer import restore_optimizer, trainable
from contrapose.train.progress import Progress
from contrapose.train.select import Criterion
from contrapose.train.settings import RunSettings
from contrapose.train.step import StepPlan
from contrapose.train.track import Listener, MetricsLog


@dataclass
class Session:
    """A run in progress: what it was told, what it is made of, and where it stands."""

    settings: RunSettings
    recipe: Recipe
    folder: Path
    corpus: Corpus
    batches: Batches
    views: str
    encoder: Encoder
    objective: Objective
    optimizer: torch.optim.AdamW
    criterion: Criterion | None
    plan: StepPlan
    num_steps: int
    eval_every: int
    listener: Listener
    metrics: MetricsLog
    world: World
    progress: Progress
    facts: dict[str, Any]

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def precision(self) -> str:
        return "bf16" if self.plan.bf16 else "fp32"


def go_back(session: Session) -> None:
    """Continue from the newest good checkpoint; from the beginning where there is none yet."""
    saved = checkpoints.load_newest(session.checkpoints, session.listener.notice)
    if saved is None:
        if session.world.is_first:
            session.metrics.cut_after(-1)
        session.listener.notice("no checkpoint yet: the run starts from its beginning")
        return
    restore(session, saved)
    session.progress = Progress.from_state(saved.step, saved.state)
    if session.world.is_first:
        session.metrics.cut_after(saved.step)


def restore(session: Session, saved: checkpoints.Checkpoint) -> None:
    """Put weights, optimizer and queues of a checkpoint back."""
    device = session.encoder.device
    try:
        session.encoder.load_state_dict(saved.weights)
        session.objective.load_state_dict(saved.objective)
        on_device = {name: tensor.to(device) for name, tensor in saved.optimizer.items()}
        restore_optimizer(session.optimizer, trainable(session.encoder), on_device)
    except (RuntimeError, KeyError) as error:
        raise ResumeRefused(f"the checkpoint does not fit this model: {error}") from None
