"""The folders that a report is about: finished runs, and folders of trials; each named clearly where it is neither."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.config import read_toml
from contrapose.data.text import printable
from contrapose.errors import ContraposeError, CorruptFile, UsageError
from contrapose.foreign import cannot_be_read, read_json_object
from contrapose.hints import command

if TYPE_CHECKING:
    from contrapose.train.settings import RunSettings

TRIALS = "trials.jsonl"
#: Files that a run writes early: a folder with one of them is a run, finished or not.
MARKS = ("run.json", "config.toml", "metrics.jsonl")


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A finished run as its folder tells it. ``rows``: of metrics.jsonl; ``notes``: what could not be read."""

    name: str
    folder: Path
    settings: RunSettings
    summary: dict[str, Any]
    start_fingerprint: str
    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def model(self) -> Path:
        return self.folder / "model"


def is_trials(folder: Path) -> bool:
    """A folder of a sweep or of a comparison."""
    return (folder / TRIALS).is_file()


def open_run(folder: Path) -> RunFolder:
    """Read what a run wrote. Raises :class:`UsageError` for no run or an unfinished one, :class:`CorruptFile`."""
    from contrapose.train.resume import read_record

    shown = printable(folder, 300)
    if folder.is_file():
        raise UsageError(f"{shown} is a file; give the folder of a run: what `contrapose train --out` names")
    if not folder.is_dir():
        raise UsageError(
            f"no such folder: {shown}. Give the folder of a run: what `contrapose train --out` names"
        )
    if not any((folder / mark).exists() for mark in MARKS):
        raise UsageError(
            f"{shown} is not the folder of a run: it holds none of {', '.join(MARKS)}, nor {TRIALS}"
        )
    if not (folder / "summary.json").exists() or not (folder / "model").is_dir():
        raise UsageError(
            f"{shown} is a run that is not finished: it has no "
            f"{'model' if (folder / 'summary.json').exists() else 'summary.json'}. Go on with: "
            f"{command('train', out=shown, resume=True)}"
        )
    rows, notes = read_metrics(folder / "metrics.jsonl")
    return RunFolder(
        name=folder.resolve().name or shown,
        folder=folder,
        settings=_settings(folder),
        summary=_summary(folder / "summary.json"),
        start_fingerprint=str(read_record(folder)["model"]),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _settings(folder: Path) -> RunSettings:
    from contrapose.config import validate
    from contrapose.train.settings import RunSettings

    path = folder / "config.toml"
    try:
        return validate(RunSettings, read_toml(path), where=str(path))
    except ContraposeError as error:
        raise CorruptFile(f"{error}. A report needs the settings that the run was made with") from None


def _summary(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except (OSError, ValueError) as error:
        raise CorruptFile(
            f"{path} cannot be read ({cannot_be_read(error)}); finish the run again with --resume"
        ) from None


def read_metrics(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of metrics.jsonl, and in words what of it could not be read."""
    from contrapose.train.track import read_rows

    if not path.exists():
        return [], [f"{path.name} is missing, so there are no curves"]
    rows = read_rows(path)
    lines = sum(1 for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip())
    lost = lines - len(rows)
    if not lost:
        return rows, []
    verb = "is no row" if lost == 1 else "are no rows"
    return rows, [
        f"{lost:,} of {lines:,} lines of {path.name} {verb} of numbers and left out: the file is damaged"
    ]
