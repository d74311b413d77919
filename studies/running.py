"""The studies by name, how one is run, and what all of them say together.

A study's trials are measured once: where another study of the same folder holds a trial with equal options, its row is
copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.errors import UsageError, nearest
from contrapose.experiment.trials import TrialListener, Trials
from contrapose.ledger import Entry, Ledger
from studies import (
    ablation,
    balance,
    crosslingual,
    divergence,
    dynamics,
    mixing,
    scale,
    selection,
    sensitivity,
)
from studies.study import Study

if TYPE_CHECKING:
    from contrapose.listening import Listener
    from studies.setup import Planned, Setup

_ALL = (
    ablation,
    sensitivity,
    dynamics,
    mixing,
    balance,
    scale,
    divergence,
    crosslingual,
    selection,
)
STUDIES: Mapping[str, Study] = {module.STUDY.name: module.STUDY for module in _ALL}


def study_named(name: str) -> Study:
    """Raises :class:`UsageError` for a name that no study has.

    >>> study_named("mixing").question
    'Does positive mixing really bring the positive closer to the query?'
    """
    if name not in STUDIES:
        raise UsageError(f"unknown study '{name}'{nearest(name, list(STUDIES))} Known: {', '.join(STUDIES)}")
    return STUDIES[name]


def run_study(
    name: str, setup: Setup, watcher: TrialListener | None = None, listener: Listener | None = None
) -> list[Entry]:
    """Measure what is not measured yet; the study's rows. The same call goes on where an interrupted one ended.

    Raises :class:`UsageError` for an unknown study or missing data, before anything is trained, and the errors of
    training.
    """
    study = study_named(name)
    if study.corpora:
        setup.check()
    return run_planned(name, study.plan(setup), setup.out, watcher, listener)


def run_planned(
    name: str,
    planned: Sequence[Planned],
    out: Path,
    watcher: TrialListener | None = None,
    listener: Listener | None = None,
) -> list[Entry]:
    """Measure these trials of a study; see :class:`contrapose.experiment.trials.Trials`."""
    trials = Trials(out, experiment=name, name=f"{name}.jsonl")
    measures = {each.trial.key: each.measure for each in planned}
    take_over(trials, planned)
    return trials.run(
        [each.trial for each in planned],
        lambda trial, place: measures[trial.key](trial, place, listener),
        watcher,
    )


def take_over(trials: Trials, planned: Sequence[Planned]) -> int:
    """Copy the rows of other studies that have equal options; how many were copied."""
    mine, others = set(trials.rows()), _rows_of_others(trials)
    wanted = {each.trial.key: each.trial for each in planned}
    copied = [key for key in wanted if key not in mine and key in others]
    for key in copied:
        body = {**others[key].body, "experiment": trials.experiment, "factors": dict(wanted[key].factors)}
        trials.ledger.append("trial", body)
    return len(copied)


def _rows_of_others(trials: Trials) -> dict[str, Entry]:
    paths = [trials.folder / f"{name}.jsonl" for name in STUDIES]
    return {
        str(entry.body.get("key")): entry
        for path in paths
        if path != trials.ledger.path
        for entry in Ledger(trials.folder, path.name).entries("trial")
    }
