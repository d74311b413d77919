"""What a text part or a training protocol must know of the whole corpus: computed once for a run, kept in its folder.

    RUN/cache/text/NAME/about.json     what it was computed from; of a protocol: RUN/cache/protocol/NAME
    RUN/cache/text/NAME/ARRAY.npy      mapped into memory, so every process of a machine shares it

The folder is whole or not there: a run that is killed meanwhile computes it again, one that goes on reads it. The
arrays are computed from the pretrained model, before the weights of a checkpoint are put back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contrapose.contract import TextPart, TrainingProtocol
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.errors import CorruptCheckpoint, StorageError, UsageError
from contrapose.listening import Listener
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.storage import durable
from contrapose.storage.syscalls import reporting
from contrapose.train.distributed import ProcessGroup
from contrapose.train.needs_in_place import looks_at_all_rows
from contrapose.train.row_vectors import row_vectors

ABOUT = "about.json"


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What text parts and protocols prepare from, and where. The first process prepares, the others wait for it.

    folder: of the run; rows_N: that may be trained on; encoder: pretrained, in its first weights
    """

    folder: Path
    corpus: Corpus
    rows_N: np.ndarray
    encoder: Encoder
    precision: str
    method: ConfiguredMethod
    processes: ProcessGroup
    listener: Listener

    def encode(self, texts: Sequence[str]) -> Tensor:
        vectors_ND = self.encoder.encode(
            texts, normalize=False, precision=self.precision, progress=self.listener
        )
        return torch.from_numpy(vectors_ND)

    def about(self) -> dict[str, Any]:
        """All that decides the arrays."""
        return {
            "corpus": self.corpus.fingerprint,
            "rows": hashlib.sha256(np.ascontiguousarray(self.rows_N, dtype="<i8").tobytes()).hexdigest(),
            "model": self.encoder.fingerprint(),
            "precision": self.precision,
            "method": self.method.method.name,
            "method_file": self.method.file_sha256,
            "hyperparameters": self.method.hyperparameters.model_dump(mode="json"),
        }


def attach_prepared(
    text_parts: Sequence[TextPart], preparation: Preparation
) -> dict[str, dict[str, np.ndarray]]:
    """Prepare text parts that ask for it, unless that was done, and hand every one its arrays; those by its name."""
    folder, corpus, rows_N = preparation.folder, preparation.corpus, preparation.rows_N
    encoder, precision = preparation.encoder, preparation.precision
    processes, listener = preparation.processes, preparation.listener
    for part in text_parts:
        part.check(corpus, rows_N)
    asking = [part for part in text_parts if looks_at_all_rows(part)]
    if not asking:
        return {}
    about = preparation.about()
    trees = {part.name: folder / "cache" / "text" / part.name for part in asking}
    for part in asking:
        if processes.is_first and not _is_there(trees[part.name], about):
            with listener.task(f"preparing the views '{part.name}'"):
                what = f"text part '{part.name}'"
                if type(part).refresh is not TextPart.refresh:
                    path = folder / "cache" / "vectors.npy"
                    with (
                        row_vectors(encoder, corpus, rows_N, path, precision=precision, listener=listener)
                        if part.looks_at_vectors
                        else nullcontext(np.empty((len(rows_N), 0), dtype=np.float32))
                    ) as vectors_ND:
                        arrays = _checked(what, part.refresh(corpus, rows_N, vectors_ND))
                else:
                    arrays = _checked(what, part.prepare(corpus, rows_N, preparation.encode))
                _write(trees[part.name], about, arrays)
    processes.wait()
    prepared = {part.name: _read(trees[part.name]) for part in asking}
    for part in asking:
        part.attach(corpus, rows_N, prepared[part.name])
    return prepared


def take_prepared(protocol: TrainingProtocol, preparation: Preparation, *, seed: int) -> None:
    """Prepare a protocol that asks for it, unless that was done, and hand it its arrays."""
    if type(protocol).prepare is TrainingProtocol.prepare:
        return
    about = {**preparation.about(), "seed": seed, "batch_size": protocol.run.batch_size}
    tree = preparation.folder / "cache" / "protocol" / protocol.name
    if preparation.processes.is_first and not _is_there(tree, about):
        with preparation.listener.task(f"preparing the protocol '{protocol.name}'"):
            prepared = protocol.prepare(preparation.corpus, preparation.rows_N, preparation.encode, seed=seed)
            _write(tree, about, _checked(f"protocol '{protocol.name}'", prepared))
    preparation.processes.wait()
    protocol.take(_read(tree))


def _is_there(tree: Path, about: Mapping[str, Any]) -> bool:
    """Whether the arrays are there, whole, and computed from the same."""
    try:
        durable.verify_tree(tree)
        return bool(json.loads((tree / ABOUT).read_bytes()) == about)
    except (CorruptCheckpoint, StorageError, OSError, ValueError):
        return False


def _checked(whose: str, prepared: Any) -> Mapping[str, np.ndarray]:
    arrays = prepared if isinstance(prepared, Mapping) else {"": prepared}
    for name, array in arrays.items():
        if not (name and isinstance(array, np.ndarray) and array.dtype.kind in "biuf"):
            raise UsageError(
                f"prepare of the {whose} gave {type(array).__name__}: it must return NumPy arrays of "
                "numbers by name, as docs/adding-a-method.md shows"
            )
    return arrays


def _write(tree: Path, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    def npy(array: np.ndarray) -> Any:
        return lambda file: np.lib.format.write_array(file, np.ascontiguousarray(array))

    durable.remove_tree(tree)  # what lies there is damaged, or of a start that came to nothing
    with reporting(tree.parent):
        tree.parent.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.npy": npy(array) for name, array in arrays.items()}
    durable.write_tree(tree, {ABOUT: json.dumps(about).encode(), **files})


def _read(tree: Path) -> dict[str, np.ndarray]:
    with reporting(tree, "read"):
        return {path.stem: np.lib.format.open_memmap(path, mode="r") for path in sorted(tree.glob("*.npy"))}
