"""The tables of a report: scores before and after, runs beside each other; and the settings of a folder of trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contrapose.report.record import BeforeAfter, Cell, LedgerScore, Report, RunFacts, TrialsFolder, TrialTask

#: Runs with their numbers in the report, which choose their colours.
Numbered = Sequence[tuple[int, RunFacts]]


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One measure of a task. ``scores``: by the number of the run."""

    task: str
    metric: str
    protocol: str
    split: str
    scores: dict[int, BeforeAfter]

    @property
    def before(self) -> LedgerScore | None:
        """The pretrained model's, which is one for all runs of the table."""
        return next((score.before for score in self.scores.values() if score.before), None)

    @property
    def sides(self) -> list[LedgerScore]:
        scores = self.scores.values()
        return [side for score in scores for side in (score.after, score.before) if side is not None]


def by_pretrained(report: Report) -> list[Numbered]:
    """The runs that began with one model, together; runs of which the ledger knows nothing are left out."""
    groups: dict[str, list[tuple[int, RunFacts]]] = {}
    for number, run in enumerate(report.runs):
        groups.setdefault(run.start_fingerprint, []).append((number, run))
    return [runs for runs in groups.values() if any(run.scores for _, run in runs)]


def rows_of(runs: Numbered) -> list[ScoreRow]:
    """Every measure that the ledger knows of one of the runs."""
    rows: dict[tuple[str, str, str, str], ScoreRow] = {}
    for number, run in runs:
        for score in run.scores:
            key = task, metric, protocol, split = score.task, score.metric, score.protocol, score.split
            row = ScoreRow(task=task, metric=metric, protocol=protocol, split=split, scores={})
            rows.setdefault(key, row).scores[number] = score
    return list(rows.values())


def entries_of(rows: Sequence[ScoreRow]) -> list[str]:
    """Where in the ledger the numbers stand."""
    return sorted({side.entry for row in rows for side in row.sides})


def commands_of(report: Report) -> list[str]:
    """What to run so that the tables are filled, each once."""
    return list(dict.fromkeys(command for run in report.runs for command in run.commands))


def settings_with_cells(
    folder: TrialsFolder,
) -> list[tuple[dict[str, Any], list[tuple[TrialTask, Cell | None]]]]:
    """(factors, (task, cell) of all tasks) of every setting, in the order of the trials."""
    by_task = [{json.dumps(cell.factors): cell for cell in task.cells} for task in folder.tasks]
    settings = {key: dict(cell.factors) for cells in by_task for key, cell in cells.items()}
    return [
        (factors, [(task, cells.get(key)) for task, cells in zip(folder.tasks, by_task, strict=True)])
        for key, factors in settings.items()
    ]
