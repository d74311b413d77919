"""Evaluations in the ledger, put side by side: the same rows, paired, and what the difference says in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contrapose.errors import UsageError
from contrapose.evaluate.evidence import Evidence, holm, in_words
from contrapose.evaluate.statistics import PairedTest
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


def _numbers(ledger: Ledger, entry: Entry) -> dict[tuple[str, str, str, str], Evidence]:
    """(task, metric, protocol, fingerprint of the data) -> evidence."""
    arrays = ledger.evidence(entry)
    found = {}
    for result in entry.body.get("results", []):
        task, metric = result["task"], result["metric"]
        values = arrays.get(f"{task}|{metric}|values")
        if values is None:
            continue
        gold = arrays.get(f"{task}|{metric}|gold")
        kind = metric if gold is not None else "mean"
        data = str(result["details"].get("data_fingerprint", ""))
        parts = arrays.get(f"{task}|{metric}|parts")
        key = (task, metric, f"{result['protocol']} {result['split']}", data)
        found[key] = Evidence(kind, values, gold, parts)
    return found


def mean_change(changes: Sequence[Change]) -> float:
    """The unweighted mean of the differences, in points.

    >>> mean_change([])
    nan
    """
    return float(np.mean([change.test.difference for change in changes])) if changes else float("nan")
