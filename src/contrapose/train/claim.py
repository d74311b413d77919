"""The run's folder: made, locked, not another run's, and gone again where the run never began."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from contrapose.durable import remove_tree
from contrapose.errors import ContraposeError, StorageError, UsageError
from contrapose.locks import RunLock
from contrapose.train import checkpoint as checkpoints

#: What a run writes beside its corpus, metrics and record.
WRITTEN = ("config.toml", "env.json", "summary.json", "model", "checkpoints")


def claim(folder: Path, *, resume: bool, stack: ExitStack) -> None:
    """Make ``folder`` ours until ``stack`` is closed. Raises RunLocked, UsageError or StorageError, saying why not."""
    if not resume:
        refuse_foreign(folder)
    is_new = not folder.exists()
    make_folder(folder)
    if is_new:
        stack.callback(_remove_unless_begun, folder)
    stack.enter_context(RunLock(folder))
    begun = (folder / "metrics.jsonl").exists() or checkpoints.steps_saved(folder / "checkpoints")
    if begun and not resume:
        raise UsageError(f"{folder} holds a run already: continue it with --resume, or choose another --out")


def refuse_foreign(folder: Path) -> None:
    """Raise UsageError where a run would replace what is no run's. One that was begun made its corpus first."""
    if any(os.path.lexists(folder / mark) for mark in ("run.json", "metrics.jsonl", "cache/corpus")):
        return
    for name in WRITTEN:
        if os.path.lexists(folder / name):
            raise UsageError(
                f"{folder} holds a {name} that is no run's, and a run writes one: choose another --out"
            )


def make_folder(folder: Path) -> None:
    """Make what ``--out`` names, where it is not there. Raises UsageError for a file, StorageError for what failed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"--out {folder} is a file, not a folder: choose another name") from None
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from None


def _remove_unless_begun(folder: Path) -> None:
    """A run that was refused leaves nothing behind: neither its folder nor the corpus that it had read."""
    if not (folder / "run.json").exists():
        with suppress(ContraposeError, OSError):
            remove_tree(folder)
