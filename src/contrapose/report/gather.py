"""From folders to the record of a report: reads, loads, encodes, and looks up the ledger; writes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.errors import UsageError
from contrapose.ledger import versions
from contrapose.listening import Listener
from contrapose.paths import expanded
from contrapose.report.adaptations import is_adaptation, open_adaptation
from contrapose.report.encoded import EncodedRuns
from contrapose.report.facts import facts_of
from contrapose.report.own_text import SAMPLE
from contrapose.report.record import Report
from contrapose.report.scores import corrected, scores_of
from contrapose.report.trials import is_trials, open_trials
from contrapose.train.run_folder import RunFolder, open_run

if TYPE_CHECKING:
    from contrapose.ledger import Ledger


def gather(
    folders: Sequence[str | Path],
    ledger: Ledger | None = None,
    *,
    sample: int = SAMPLE,
    listener: Listener | None = None,
) -> Report:
    """Everything that a report says of ``folders``: runs, adaptations, and folders of trials.

    ledger: where the numbers of the before/after table come from; None leaves the table empty and says so.
    sample: rows of each run's own text that are encoded; 0 leaves the user's text out.

    Raises :class:`UsageError` for no folder, for one that is neither, and for an unfinished run;
    :class:`CorruptFile` for a damaged one.
    """
    listener = listener or Listener()
    paths = [expanded(folder) for folder in dict.fromkeys(map(str, folders))]
    if not paths:
        raise UsageError("no folder: give the folders of runs, adaptations, sweeps or comparisons")
    if sample < 0 or 0 < sample < 3:
        raise UsageError(
            f"a sample of {sample} rows shows nothing: give at least 3, or 0 for none of your text"
        )
    with listener.task("reading folders"):
        adaptations = tuple(open_adaptation(path) for path in paths if is_adaptation(path))
        others = [path for path in paths if not is_trials(path) and not is_adaptation(path)]
        runs = _named_apart([open_run(path) for path in others])
        trials = tuple(open_trials(path) for path in paths if is_trials(path))
    encoded = EncodedRuns(runs, sample, listener)
    with listener.task("comparing evaluations in the ledger"):
        models = [(run.start_fingerprint, model) for run, model in zip(runs, encoded.models, strict=True)]
        tables = corrected([scores_of(ledger, *pair) if ledger is not None else [] for pair in models])
    parts = zip(runs, encoded.models, tables, encoded.own_texts(), strict=True)
    return Report(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        version=versions(["contrapose"])["contrapose"],
        ledger=str(ledger.path) if ledger is not None else None,
        comparisons=sum(score.difference is not None for table in tables for score in table),
        runs=tuple(
            facts_of(run, model, scores, *own_text, has_ledger=ledger is not None)
            for run, model, scores, own_text in parts
        ),
        trials=trials,
        adaptations=adaptations,
    )


def _named_apart(runs: list[RunFolder]) -> list[RunFolder]:
    """Runs whose folders have one name are called by the whole path that was given."""
    names = [run.name for run in runs]
    return [replace(run, name=str(run.folder)) if names.count(run.name) > 1 else run for run in runs]
