"""The table of scores, as the verdict is told of it."""

from __future__ import annotations

from dataclasses import replace

from contrapose.report.record import BeforeAfter, LedgerScore
from contrapose.report.scores import labelled_changes
from contrapose.selection.reported import PairedDifference


def test_measures_of_one_task_are_told_apart_by_their_names_and_a_single_one_is_not() -> None:
    difference = PairedDifference(
        value=1.5, low=0.5, high=2.5, p_value=0.01, p_corrected=0.02, words="better"
    )
    side = LedgerScore(value=70.0, low=69.0, high=71.0, rows=9, entry="e")
    score = BeforeAfter(
        task="cranfield",
        metric="ndcg@10",
        protocol="p",
        split="test",
        before=side,
        after=side,
        difference=difference,
    )
    table = [
        score,
        replace(score, metric="recall@100"),
        replace(score, task="mqp"),
        replace(score, difference=None),
    ]
    changes = labelled_changes(table)
    assert [(change.task, change.name) for change in changes] == [
        ("cranfield", "cranfield nDCG@10"),
        ("cranfield", "cranfield recall@100"),
        ("mqp", "mqp"),
    ]
    assert {change.difference for change in changes} == {difference}
