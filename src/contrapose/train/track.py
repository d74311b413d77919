"""What a run writes down and tells: ``metrics.jsonl`` always, TensorBoard where asked, a listener for people.

``metrics.jsonl`` holds no times, so a resumed run writes the bytes of an uninterrupted one; times go to
``timings.jsonl`` (``timings.py``). A number that is not finite is written as "NaN" or "Infinity": never hidden, and
still JSON.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.errors import MissingExtra
from contrapose.storage import syscalls
from contrapose.storage.durable import append_line, write_text
from contrapose.train.run_folder import read_rows

if TYPE_CHECKING:
    from torch import Tensor


def numbers(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars as floats, with one wait for the device instead of one each."""
    if not tensors:
        return {}
    import torch

    stacked = torch.stack([tensor.detach().double().reshape(()) for tensor in tensors.values()])
    return dict(zip(tensors, stacked.tolist(), strict=True))


def strict_json(row: Mapping[str, Any]) -> str:
    """One line of JSON that every reader accepts.

    >>> strict_json({"loss": float("nan"), "step": 1})
    '{"loss": "NaN", "step": 1}'
    """
    return json.dumps(_finite(row), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def forget_after(path: Path, step: int) -> None:
    """Keep the rows of a file, where there is one, up to those of ``step``."""
    if path.exists():
        rows = read_rows(path)
        write_text(path, "".join(strict_json(row) + "\n" for row in rows if row["step"] <= step))


class MetricsLog:
    """Appends to ``metrics.jsonl`` of a run."""

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.path = folder / "metrics.jsonl"
        self._board = _summary_writer(folder / "tensorboard") if tensorboard else None

    def cut_after(self, step: int) -> None:
        """Forget what was written after the checkpoint that the run continues from."""
        forget_after(self.path, step)

    def write(self, row: Mapping[str, Any]) -> None:
        append_line(self.path, strict_json(row))
        if self._board is not None:
            for name, value in row.items():
                if name != "step" and isinstance(value, float) and math.isfinite(value):
                    self._board.add_scalar(name, value, row["step"])

    def sync(self) -> None:
        """Wait until the disk has every row: a checkpoint must not outlive the rows that led to it."""
        if not self.path.exists():
            return
        with syscalls.reporting(self.path):
            descriptor = syscalls.uninterrupted(lambda: syscalls.calls.open(self.path, os.O_RDONLY))
            try:
                syscalls.uninterrupted(lambda: syscalls.calls.fsync(descriptor))
            finally:
                syscalls.calls.close(descriptor)
            syscalls.sync_folder(self.path.parent)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def require_tensorboard() -> None:
    """Raise MissingExtra where ``--tensorboard`` cannot be done; loads nothing."""
    if find_spec("tensorboard") is None:
        raise MissingExtra("--tensorboard", "tensorboard", "tensorboard")


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("--tensorboard", "tensorboard", "tensorboard") from None
    return SummaryWriter(str(folder))
