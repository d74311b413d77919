"""Evaluations in the ledger, put side by side: the same rows, paired, and what the difference says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.statistics import PairedTest, holm, in_words
from contrapose.ledger import Entry, Ledger


@dataclass(frozen=True, kw_only=True)
class Change:
    """From one evaluation to another on one task. ``p_corrected``: for all changes of the comparison together."""

    task: str
    metric: str
    protocol: str
    before: float
    after: float
    test: PairedTest
    p_corrected: float

    @property
    def words(self) -> str:
        return in_words(self.test, self.p_corrected)


def compare_evaluations(ledger: Ledger, before: Entry, after: Entry) -> list[Change]:
    """All numbers that both evaluations have, of the same rows.

    Raises :class:`UsageError` for entries that are no evaluations, or share no number.
    """
    for entry in (before, after):
        if entry.kind != "evaluation":
            raise UsageError(f"entry {entry.id} is a {entry.kind}; only evaluations can be compared")
    old, new = (_numbers(ledger, entry) for entry in (before, after))
    shared = [key for key in old if key in new]
    if not shared:
        raise UsageError(
            f"{before.id} and {after.id} share no defined number of the same rows and protocol: "
            "evaluate both models with the same --tasks and --data"
        )
    tests = [old[key].change_to(new[key]) for key in shared]
    corrected = holm([test.p_value for test in tests])
    return [
        Change(
            task=task,
            metric=metric,
            protocol=protocol,
            before=old[key].value(),
            after=new[key].value(),
            test=test,
            p_corrected=p_corrected,
        )
        for key, test, p_corrected in zip(shared, tests, corrected, strict=True)
        for task, metric, protocol, _ in [key]
    ]


def pair_to_compare(ledger: Ledger, entries: Sequence[Entry]) -> tuple[Entry, Entry] | None:
    """The newest two evaluations among ``entries`` (oldest first) that can be compared: what was before, what after.

    A model that was trained from another comes after it, whichever was evaluated first, and such a pair goes before
    pairs that time alone puts in an order; an encoder that was evaluated twice comes last. What was trained from what
    is known from the runs of the whole ledger.
    """
    evaluations = [entry for entry in entries if entry.kind == "evaluation"]
    shared = {entry.id: set(_numbers(ledger, entry)) for entry in evaluations}
    pairs = [
        (earlier, later)
        for number, later in reversed(list(enumerate(evaluations)))
        for earlier in reversed(evaluations[:number])
        if shared[earlier.id] & shared[later.id]
    ]
    pairs.sort(key=lambda pair: _model(pair[0]) == _model(pair[1]))
    parents = _trained_from(ledger)
    for earlier, later in pairs:
        for before, after in ((earlier, later), (later, earlier)):
            if _comes_from(_model(after), _model(before), parents):
                return before, after
    return pairs[0] if pairs else None


def _trained_from(ledger: Ledger) -> dict[str, set[str]]:
    """Fingerprint of a model -> those of the models that runs which made it began with."""
    parents: dict[str, set[str]] = {}
    for run in ledger.entries("run"):
        summary = run.body.get("summary") or {}
        start, made = summary.get("start_fingerprint"), summary.get("fingerprint")
        if start and made and start != made:
            parents.setdefault(str(made), set()).add(str(start))
    return parents


def _comes_from(model: str, start: str, parents: Mapping[str, set[str]]) -> bool:
    """Whether ``model`` was trained from ``start``, over any number of runs."""
    seen, waiting = {model}, [model]
    while waiting:
        for parent in parents.get(waiting.pop(), set()) - seen:
            if parent == start:
                return True
            seen.add(parent)
            waiting.append(parent)
    return False


def _model(entry: Entry) -> str:
    return str(entry.body.get("fingerprint"))


def _numbers(ledger: Ledger, entry: Entry) -> dict[tuple[str, str, str, str], PerExampleScores]:
    """(task, metric, protocol, fingerprint of the data) -> per-example scores."""
    arrays = ledger.evidence(entry)
    numbers = {}
    for result in entry.body.get("results", []):
        task, metric = result["task"], result["metric"]
        scores = PerExampleScores.from_arrays(arrays, task, metric, result["details"].get("statistic"))
        if scores is not None:
            data = str(result["details"].get("data_fingerprint", ""))
            numbers[task, metric, f"{result['protocol']} {result['split']}", data] = scores
    return numbers


def mean_change(changes: Sequence[Change]) -> float:
    """The unweighted mean of the differences, in points.

    >>> mean_change([])
    nan
    """
    return float(np.mean([change.test.difference for change in changes])) if changes else float("nan")
