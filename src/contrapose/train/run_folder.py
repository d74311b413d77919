"""A run's folder, read: by the training that continues it, the report, and the command line. One reader of each file.

Every reader takes files that anyone may have damaged: what cannot be used is an error that names the file, but a line
of a metrics file that is no row is left out, because a kill may have torn the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrapose.config import read_toml, validate
from contrapose.data.text import printable
from contrapose.errors import ContraposeError, CorruptFile, UsageError
from contrapose.foreign import cannot_be_read, parse_json_object, read_json_object
from contrapose.hints import YOUR_TEXT, command
from contrapose.storage import syscalls

if TYPE_CHECKING:
    from contrapose.train.settings import RunSettings

RECORD, SETTINGS, ENVIRONMENT = "run.json", "config.toml", "env.json"
METRICS, SUMMARY, MODEL = "metrics.jsonl", "summary.json", "model"
#: Files that a run writes early: a folder with one of them is a run, finished or not.
MARKS = (RECORD, SETTINGS, METRICS)


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
        return self.folder / MODEL


def open_run(folder: Path) -> RunFolder:
    """Read what a run wrote. Raises :class:`UsageError` for no run or an unfinished one, :class:`CorruptFile`."""
    shown = printable(folder, 300)
    if folder.is_file():
        raise UsageError(f"{shown} is a file; give the folder of a run: what `contrapose train --out` names")
    if not folder.is_dir():
        raise UsageError(
            f"no such folder: {shown}. Give the folder of a run: what `contrapose train --out` names"
        )
    if not any((folder / mark).exists() for mark in MARKS):
        raise UsageError(
            f"{shown} is not the folder of a run: it holds none of {', '.join(MARKS)}. "
            "Give what `contrapose train --out` names"
        )
    if (folder / RECORD).exists() and begun_by(folder) == "pretrain":
        raise UsageError(
            f"{shown} is a run of `contrapose pretrain`, which has no report: its numbers are in {SUMMARY} and "
            f"{METRICS}. Train from its model, and give that run: "
            f"{command('train', YOUR_TEXT, model=folder / MODEL, out=f'{shown}-contrast')}"
        )
    missing = next((name for name in (SUMMARY, MODEL) if not (folder / name).exists()), None)
    if missing is not None:
        raise UsageError(
            f"{shown} is a run that is not finished: it has no {missing}. Go on with: "
            f"{command('train', out=shown, resume=True)}"
        )
    rows, notes = read_metrics(folder)
    return RunFolder(
        name=folder.resolve().name or shown,
        folder=folder,
        settings=read_settings(folder),
        summary=read_summary(folder),
        start_fingerprint=str(read_record(folder)["model"]),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def begun_by(folder: Path) -> str:
    """The verb that began the run in ``folder``: train or pretrain. CorruptFile where its record is not readable."""
    return "train" if "method" in read_record(folder)["settings"] else "pretrain"


def refuse_another_verb(folder: Path, verb: str) -> None:
    """Raise UsageError where the run in ``folder`` was begun by another verb, whose settings mean nothing to this."""
    if (folder / RECORD).exists() and (other := begun_by(folder)) != verb:
        raise UsageError(
            f"{folder} holds a run of `contrapose {other}`: continue it with that, or choose another --out"
        )


def read_record(folder: Path) -> dict[str, Any]:
    """What a continuation is compared with; CorruptFile where it is not readable."""
    record = _read_object(folder / RECORD, "this is not the folder of a run")
    if missing := [key for key in ("settings", "corpus", "sources", "model") if key not in record]:
        raise CorruptFile(f"{folder / RECORD} is not the record of a run: it has no {', '.join(missing)}")
    if not isinstance(record["settings"], dict):
        raise CorruptFile(f"{folder / RECORD} is damaged: its settings are no JSON object")
    return record


def read_environment(folder: Path) -> dict[str, Any]:
    """Versions, device and threads that the run was begun with."""
    return _read_object(folder / ENVIRONMENT, "this is not the folder of a run")


def read_summary(folder: Path) -> dict[str, Any]:
    """What came out of a finished run."""
    return _read_object(
        folder / SUMMARY, "the run is not finished, or the file is damaged: go on with --resume"
    )


def read_settings(folder: Path) -> RunSettings:
    """The resolved settings."""
    from contrapose.train.settings import RunSettings

    path = folder / SETTINGS
    try:
        return validate(RunSettings, read_toml(path), where=str(path))
    except ContraposeError as error:
        raise CorruptFile(f"{error}. These must be the settings that the run was made with") from None


def read_metrics(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of metrics.jsonl, and in words what of it could not be read."""
    path = folder / METRICS
    if not path.exists():
        return [], [f"{METRICS} is missing, so there are no curves"]
    lines = _lines(path)
    rows = _rows(lines)
    lost = len(lines) - len(rows)
    if not lost:
        return rows, []
    verb = "is no row" if lost == 1 else "are no rows"
    return rows, [
        f"{lost:,} of {len(lines):,} lines of {METRICS} {verb} of numbers and left out: the file is damaged"
    ]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file, each with its ``step``; what is no row is left out."""
    return _rows(_lines(path))


def _lines(path: Path) -> list[str]:
    with syscalls.reporting(path, "read"):
        text = path.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.split("\n") if line.strip()]


def _rows(lines: list[str]) -> list[dict[str, Any]]:
    rows = []
    for line in lines:
        try:
            row = parse_json_object(line)
        except ValueError:
            continue
        if isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def _read_object(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except (OSError, ValueError) as error:
        raise CorruptFile(f"{path} cannot be read ({cannot_be_read(error)}): {otherwise}") from None
