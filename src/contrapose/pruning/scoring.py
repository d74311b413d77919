"""Scores of all weights of an encoder on a corpus: sums over batches, kept on disk so that a stop loses little.

The sums of a killed process are found by the next one that scores the same weights on the same batches in the same
way. They are added up in the same order, so the scores are those of a process that was never stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, nn

from contrapose.encoder.by_length import groups_on
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ContraposeError, CorruptCheckpoint, StorageError, UsageError
from contrapose.listening import Listener
from contrapose.maths.importance import ImportanceSums, Reduction
from contrapose.protocols.masked import ENCODER, MEASURES, maskable
from contrapose.storage.durable import remove_tree, verify_tree, write_json, write_tree
from contrapose.storage.locks import LOCK_NAME
from contrapose.storage.staging import locked_folder
from contrapose.train.attention import attention_in_training
from contrapose.train.batches import Batches
from contrapose.train.inspecting import gradient_of_measure
from contrapose.train.modules import trainable
from contrapose.train.step import StepPlan, tokenize

#: Of a stopped process, so much work is done again at most.
SECONDS_BETWEEN_SAVES = 15.0
#: The tree in the folder of the scores.
KEPT = "sums"
_SUMS, _STATE = "sums.safetensors", "state.json"
#: Written before all else: a folder without it is not ours to delete.
_MARK = "scoring.json"


@dataclass(frozen=True, kw_only=True)
class ScoringPlan:
    """What decides the scores, beside the weights and the corpus."""

    num_batches: int
    seed: int = 0
    max_length: int = 32
    bf16: bool = False
    reduction: Reduction = "abs_mean"


@contextmanager
def scores_in(folder: Path) -> Iterator[Path]:
    """The folder, locked, in which scores are kept on the way. It is gone at the end, and at an error too unless it
    holds scores that the next process goes on with. Raises RunLocked, StorageError, and UsageError for a folder that
    was not made for this.
    """
    _refuse_foreign(folder)
    lock, is_new = locked_folder(folder)
    try:
        write_json(folder / _MARK, {"made_by": "contrapose sparsify"})
        yield folder
    except BaseException:
        if is_new and not (folder / KEPT).exists():
            with suppress(ContraposeError, OSError):
                remove_tree(folder)
        raise
    else:
        remove_tree(folder)
    finally:
        lock.release()


def _refuse_foreign(folder: Path) -> None:
    """Raise UsageError where what lies there would be deleted at the end and is not from here."""
    if not folder.is_dir() or (folder / _MARK).exists():
        return
    if any(path.name != LOCK_NAME for path in folder.iterdir()):
        raise UsageError(
            f"{folder} is not a folder of scores, and scores would be kept there and deleted at the end: move it away, "
            "or choose another --out"
        )


def score_weights(
    encoder: Encoder, batches: Batches, plan: ScoringPlan, folder: Path, listener: Listener
) -> ImportanceSums:
    """|theta g| of alignment and uniformity over the first batches, for every matrix of the pretrained model.

    folder: where the sums are kept on the way, as the tree :data:`KEPT`. The encoder is left as it was, mode too.
    """
    modules = nn.ModuleDict({"encoder": encoder})
    tables = {
        f"{ENCODER}{name}.weight"
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Embedding)
    }
    weights = trainable(modules)
    names = maskable(weights, frozenset(tables))
    sums = ImportanceSums({name: weights[name] for name in names}, plan.reduction)
    about = {
        "plan": asdict(plan),
        "model": encoder.fingerprint(),
        "dropout": encoder.dropout_probability(),
        "corpus": batches.corpus.fingerprint,
        "batch_size": batches.batch_size,
        "views": [part.name for part in batches.text_parts],
    }
    kept = folder / KEPT
    done = _continued(kept, about, sums, encoder.device)
    if done:
        listener.notice(f"going on with the scores of {done} of {plan.num_batches} batches in {folder}")
    saved_at = time.monotonic()
    attention = encoder.attention
    step_plan = StepPlan(
        seed=plan.seed,
        max_length=plan.max_length,
        num_groups=groups_on(encoder.device),
        bf16=plan.bf16,
    )
    with (
        listener.task("scoring the weights", plan.num_batches - done, "batch"),
        encoder.in_mode(training=True),
    ):
        encoder.use_attention(attention_in_training(encoder, bf16=plan.bf16))
        for number in range(done, plan.num_batches):
            tokenized = tokenize(encoder, batches.at(number), step_plan)
            for measure, function in MEASURES.items():
                sums.add(measure, gradient_of_measure(modules, encoder, tokenized, step_plan, function))
            listener.advance()
            if time.monotonic() - saved_at >= SECONDS_BETWEEN_SAVES and number + 1 < plan.num_batches:
                _keep(kept, {**about, "done": number + 1}, sums)
                saved_at = time.monotonic()
    encoder.use_attention(attention)
    encoder.zero_grad(set_to_none=True)
    return sums


def _keep(folder: Path, state: dict[str, Any], sums: ImportanceSums) -> None:
    tensors = {
        f"{measure}/{name}": tensor.detach().cpu().contiguous()
        for measure, by_name in sums.sums.items()
        for name, tensor in by_name.items()
    }
    files = {_SUMS: tensors_to_bytes(tensors), _STATE: json.dumps(state, indent=1).encode()}
    write_tree(folder, files, replace=folder.exists())


def _continued(folder: Path, about: dict[str, Any], sums: ImportanceSums, device: torch.device) -> int:
    """Put back what was kept, if it is of the same scoring and whole; how many batches it holds."""
    try:
        verify_tree(folder)
    except (CorruptCheckpoint, StorageError):
        return 0
    state = json.loads((folder / _STATE).read_bytes())
    done = int(state.pop("done"))
    if state != json.loads(json.dumps(about)):
        return 0
    tensors: dict[str, Tensor] = tensors_from_bytes((folder / _SUMS).read_bytes())
    for key, tensor in tensors.items():
        measure, name = key.split("/", 1)
        sums.sums.setdefault(measure, {})[name] = tensor.to(device)
    sums.batches = dict.fromkeys(MEASURES, done)
    return done
