"""Tiny pretraining runs: options that make one of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contrapose.pretrain.api import pretrain
from contrapose.train.api import Run
from tests.train.runs import Place, Witness

#: Eight steps of eight texts, one checkpoint in between.
OPTIONS: dict[str, Any] = {
    "steps": 8,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "max_length": 16,
    "precision": "fp32",
    "device": "cpu",
    "save_every": 3,
}


def pretrain_tiny(
    place: Place, out: Path, *, resume: bool = False, listener: Any = None, **options: Any
) -> Run:
    """Pretrain with :data:`OPTIONS`, changed by ``options``; ``corpus`` may be among them."""
    chosen = {**OPTIONS, "model": place.model, **options}
    if "layers" in chosen:
        del chosen["model"]
    corpus = chosen.pop("corpus", place.sentences)
    return pretrain(corpus, out=out, resume=resume, listener=listener or Witness(), **chosen)
