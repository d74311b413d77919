"""The tables of a report: scores before and after, one per pretrained model; and the settings of a folder of trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from contrapose.report.record import BeforeAfter, Cell, LedgerScore, Report, RunFacts, TrialsFolder, TrialTask
from contrapose.report.wording import row_name


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One measure of a task. ``scores``: by the number of the run; ``before``: the pretrained model's, for all runs."""

    name: str
    measure: str
    protocol: str
    split: str
    before: LedgerScore | None
    scores: dict[int, BeforeAfter]

    @property
    def sides(self) -> list[LedgerScore]:
        scores = self.scores.values()
        return [side for score in scores for side in (score.after, score.before) if side is not None]

    @property
    def rows(self) -> int:
        return next((side.rows for side in self.sides), 0)


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """Runs that began with one pretrained model, side by side.

    runs: those whose model is another one, by number; unchanged: the names of those that handed the pretrained one
    out. labelled: rows with differences; layout: the numbers of the geometry, of which there are none.
    """

    pretrained: str
    caption: str
    runs: list[tuple[int, RunFacts]]
    unchanged: list[str]
    labelled: list[ScoreRow]
    layout: list[ScoreRow]

    @property
    def entries(self) -> list[str]:
        return sorted({side.entry for row in (*self.labelled, *self.layout) for side in row.sides})


def score_tables(report: Report) -> list[ScoreTable]:
    """One table per pretrained model of which the ledger knows a score."""
    by_model: dict[str, list[tuple[int, RunFacts]]] = {}
    for number, run in enumerate(report.runs):
        by_model.setdefault(run.start_fingerprint, []).append((number, run))
    return [
        _table(runs, named=len(by_model) > 1) for runs in by_model.values() if any(r.scores for _, r in runs)
    ]


def _table(runs: Sequence[tuple[int, RunFacts]], *, named: bool) -> ScoreTable:
    by_key: dict[tuple[str, str, str, str], dict[int, BeforeAfter]] = {}
    for number, run in runs:
        for score in run.scores:
            by_key.setdefault((score.task, score.metric, score.protocol, score.split), {})[number] = score
    rows = []
    for (task, metric, protocol, split), scores in by_key.items():
        name, measure = row_name(task, metric, protocol)
        before = next((score.before for score in scores.values() if score.before), None)
        rows.append(
            ScoreRow(name=name, measure=measure, protocol=protocol, split=split, before=before, scores=scores)
        )
    pretrained = runs[0][1].start_model
    return ScoreTable(
        pretrained=pretrained,
        caption=f"Pretrained model {pretrained}" if named else "",
        runs=[(number, run) for number, run in runs if not run.pretrained_kept],
        unchanged=[run.name for _, run in runs if run.pretrained_kept],
        labelled=[row for row in rows if row.protocol != "geometry"],
        layout=[row for row in rows if row.protocol == "geometry"],
    )


def commands_of(report: Report) -> list[str]:
    """What to run so that the tables are filled, each once."""
    return list(dict.fromkeys(command for run in report.runs for command in run.commands))


def settings_with_cells(
    folder: TrialsFolder,
) -> list[tuple[dict[str, object], list[tuple[TrialTask, Cell | None]]]]:
    """(factors, (task, cell) of all tasks) of every setting, in the order of the trials."""
    settings = {_key(cell): dict(cell.factors) for task in folder.tasks for cell in task.cells}
    cells = {(number, _key(cell)): cell for number, task in enumerate(folder.tasks) for cell in task.cells}
    return [
        (factors, [(task, cells.get((number, key))) for number, task in enumerate(folder.tasks)])
        for key, factors in settings.items()
    ]


def _key(cell: Cell) -> str:
    return json.dumps(cell.factors, sort_keys=True)
