"""What can be refused before anything is loaded is refused here: no torch, no model, no row of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contrapose.data.sources import STDIN, find_sources, parquet_sources
from contrapose.errors import DataError
from contrapose.ledger import why_not_recorded
from contrapose.storage.locks import LOCK_NAME
from contrapose.train.claim import refuse_a_file, refuse_another_run
from contrapose.train.launch import launched
from contrapose.train.resume import check_settings
from contrapose.train.settings import RunSettings, run_folder
from contrapose.train.track import require_tensorboard


@dataclass(frozen=True)
class Cleared:
    """sources: the files of the corpus, "-" among them; None where a run goes on whose files are gone, and why."""

    sources: tuple[str, ...] | None
    why_no_sources: str = ""


def preflight(settings: RunSettings, *, resume: bool, notice: Callable[[str], None]) -> Cleared:
    """Look at everything that is quick to look at. Raises UsageError, ResumeRefused, DataError; writes nothing."""
    launched()
    if settings.saving.tensorboard:
        require_tensorboard()
    folder = run_folder(settings)
    refuse_a_file(folder)
    if not (folder / LOCK_NAME).exists():  # a process may be at work, which is the better answer
        refuse_another_run(folder, resume=resume)
    goes_on = resume and has_record(folder)
    if goes_on:
        check_settings(folder, settings, complete=False)
    cleared = _sources(settings, folder, goes_on=goes_on)
    if problem := why_not_recorded():
        notice(f"this run will not be recorded in the ledger: {problem}")
    return cleared


def has_record(folder: Path) -> bool:
    """Whether a run was begun there that can be gone on with."""
    return (folder / "run.json").exists()


def _sources(settings: RunSettings, folder: Path, *, goes_on: bool) -> Cleared:
    try:
        sources = find_sources(settings.data.corpus, out=folder)
        if settings.data.in_place:
            parquet_sources(settings.data.corpus)
    except DataError as error:
        if not goes_on:
            raise
        return Cleared(None, str(error))
    return Cleared(tuple(STDIN if source.path is None else source.name for source in sources))
