"""The run's folder: made, locked, not another run's, and gone again where the run never began."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path

from contrapose.errors import ContraposeError, StorageError, UsageError
from contrapose.storage.durable import remove_tree
from contrapose.storage.staging import locked_folder

#: What a run writes beside its corpus, metrics and record.
WRITTEN = ("config.toml", "env.json", "summary.json", "model", "checkpoints")


def claim(folder: Path, *, resume: bool, stack: ExitStack) -> None:
    """Make ``folder`` ours until ``stack`` is closed. Raises RunLocked, UsageError or StorageError, saying why not."""
    refuse_a_file(folder)
    if not resume:
        refuse_foreign(folder)
    lock, is_new = locked_folder(folder)
    stack.callback(lock.release)
    if is_new:
        stack.callback(_remove_unless_begun, folder)  # before the release: nobody else can be at work there
    refuse_another_run(folder, resume=resume)


def has_begun(folder: Path) -> bool:
    """Whether a step was done there, or something measured: what a refused or an interrupted start has not."""
    return (folder / "metrics.jsonl").exists() or any((folder / "checkpoints").glob("step-*"))


def refuse_another_run(folder: Path, *, resume: bool) -> None:
    """Raise UsageError where a new run would be begun over one that is there."""
    if has_begun(folder) and not resume:
        raise UsageError(f"{folder} holds a run already: continue it with --resume, or choose another --out")


def refuse_a_file(folder: Path) -> None:
    """Raise UsageError where what ``--out`` names is there and is no folder."""
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UsageError(f"--out {folder} is a file, not a folder: choose another name")


def refuse_foreign(folder: Path) -> None:
    """Raise UsageError where a run would replace what is no run's. One that was begun made its corpus first."""
    if any(
        os.path.lexists(folder / mark) for mark in ("run.json", "metrics.jsonl", "cache/corpus/corpus.json")
    ):
        return
    if all(os.path.lexists(folder / mark) for mark in ("config.toml", "env.json")):
        return  # a start that was killed before its record, whose corpus somebody deleted
    for name in WRITTEN:
        if os.path.lexists(folder / name):
            raise UsageError(
                f"{folder} holds a {name} that is no run's, and a run writes one: choose another --out"
            )


def make_folder(folder: Path) -> None:
    """Make what ``--out`` names, where it is not there. Raises UsageError for a file, StorageError for what failed."""
    refuse_a_file(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from None


def _remove_unless_begun(folder: Path) -> None:
    """A run that was refused leaves nothing behind: neither its folder nor the corpus that it had read."""
    if not has_begun(folder):
        with suppress(ContraposeError, OSError):
            remove_tree(folder)
