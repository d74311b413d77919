"""Checkpoints: whole or invisible, checksummed, and never fewer than are needed to go on.

A checkpoint is a folder ``step-00000100`` of safetensors and JSON, written by ``durable.write_tree``: it appears under
its name only when every byte is on disk, with the size and SHA-256 of every file in its manifest. Loading verifies all
of them, and falls back to the previous good one, saying so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from contrapose.errors import CorruptCheckpoint, StorageError
from contrapose.foreign import cannot_be_read, read_json_object
from contrapose.storage.durable import remove_tree, verify_tree, write_tree
from contrapose.storage.syscalls import reporting
from contrapose.train.modules import with_prefix

_NAME = re.compile(r"step-(\d{8})")
_TENSOR_FILES = ("modules", "optimizer")
#: Of the versions before the tree of modules, whose runs are continued too.
_EARLIER_FILES = ("weights", "optimizer", "objective")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that decides the rest of a run: the state of all modules, the optimizer's, and the loop's own."""

    step: int
    modules: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    state: Mapping[str, Any]

    def of(self, module: str) -> dict[str, Tensor]:
        """The state of one module of the tree, ``encoder`` or ``objective``, by that module's own names."""
        start = f"{module}."
        return {
            name.removeprefix(start): value for name, value in self.modules.items() if name.startswith(start)
        }


def folder_of(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step-{step:08d}"


def steps_saved(checkpoints: Path) -> list[int]:
    """The steps of all checkpoints, good or damaged, in rising order. Other names are left alone."""
    if not checkpoints.is_dir():
        return []
    names = (_NAME.fullmatch(entry.name) for entry in checkpoints.iterdir())
    return sorted(int(match.group(1)) for match in names if match)


def save(checkpoints: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a damaged or older one of the same step is replaced at once."""
    files = {f"{kind}.safetensors": _bytes(getattr(checkpoint, kind)) for kind in _TENSOR_FILES}
    files["state.json"] = json.dumps({"step": checkpoint.step, **checkpoint.state}, indent=2).encode()
    with reporting(checkpoints):
        checkpoints.mkdir(exist_ok=True)
    target = folder_of(checkpoints, checkpoint.step)
    if target.exists() and why_damaged(target):
        remove_tree(target)
    write_tree(target, files, replace=True)


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    # Cloned: safetensors refuses tensors that share memory, and tied weights do.
    return tensors_to_bytes(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )


def load(checkpoints: Path, step: int) -> Checkpoint:
    """Read one checkpoint after verifying every file; CorruptCheckpoint names the damaged one."""
    folder = folder_of(checkpoints, step)
    entries = verify_tree(folder)
    kinds = _EARLIER_FILES if "weights.safetensors" in entries else _TENSOR_FILES
    for name in (*(f"{kind}.safetensors" for kind in kinds), "state.json"):
        if name not in entries:
            raise CorruptCheckpoint(f"{folder / name} is not in the manifest of its checkpoint")
    with reporting(folder, "read"):
        tensors = {kind: tensors_from_bytes((folder / f"{kind}.safetensors").read_bytes()) for kind in kinds}
        try:
            state = read_json_object(folder / "state.json")
        except ValueError as error:
            raise CorruptCheckpoint(f"{folder / 'state.json'} is damaged: {cannot_be_read(error)}") from None
    if state.pop("step", None) != step:
        raise CorruptCheckpoint(f"{folder / 'state.json'} is of another step than its folder's name says")
    if kinds == _EARLIER_FILES:
        tensors = _as_tree(**tensors)
    return Checkpoint(step=step, state=state, **tensors)


def _as_tree(
    weights: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], objective: Mapping[str, Tensor]
) -> dict[str, dict[str, Tensor]]:
    """The tensors of an earlier version under the names of today."""
    modules = with_prefix("encoder", weights) | with_prefix("objective", objective)
    return {"modules": modules, "optimizer": with_prefix("encoder", optimizer)}


def why_damaged(folder: Path) -> str:
    """What is wrong with a checkpoint's files, or '' where nothing is."""
    try:
        verify_tree(folder)
    except (CorruptCheckpoint, StorageError) as error:
        return str(error)
    return ""


def load_newest(checkpoints: Path, notice: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole; every damaged one is passed over with a notice. None where there is none.

    Raises CorruptCheckpoint where checkpoints exist and all are damaged: starting over silently would lose work.
    """
    steps = steps_saved(checkpoints)
    problems = []
    for step in reversed(steps):
        try:
            checkpoint = load(checkpoints, step)
        except CorruptCheckpoint as error:
            problems.append(str(error))
            notice(f"checkpoint of step {step} is damaged and was passed over: {error}")
            continue
        return checkpoint
    if problems:
        raise CorruptCheckpoint(
            f"all {len(steps)} checkpoints under {checkpoints} are damaged: {problems[0]}. "
            "Start the run again in another folder, or restore the checkpoints from a backup."
        )
    return None


def prune(checkpoints: Path, *, keep: int, best_step: int | None) -> list[int]:
    """Delete all but the ``keep`` newest whole checkpoints and the best; returns the steps deleted.

    A damaged checkpoint does not count as kept, so the last good one is never deleted in its favour.
    """
    kept = 0
    deleted = []
    for step in reversed(steps_saved(checkpoints)):
        if kept >= keep and step != best_step:
            remove_tree(folder_of(checkpoints, step))
            deleted.append(step)
        elif not why_damaged(folder_of(checkpoints, step)):
            kept += 1
    return deleted
