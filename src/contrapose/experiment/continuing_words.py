"""The table of ``contrapose continue``: for each text and task the model before and after, and the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contrapose.experiment.comparison_table import MEAN, ComparisonTable
from contrapose.experiment.differences import Difference
from contrapose.experiment.held_out_texts import GAIN
from contrapose.experiment.measuring import UNTRAINED
from contrapose.experiment.results import ResultTable
from contrapose.selection.continued import TextVerdict

HEADER = ("measured", "before", "pnr", "plain", "pnr - before", "plain - before", "pnr - plain")
NOTE = (
    "x 100, on rows that no run was trained on. expected gain: how held-out texts lie, by the criterion that chooses a "
    "checkpoint without labels; only its differences mean something. partner found: reciprocal rank of the text that "
    "belongs to a text, its other half or its title. plain: simcse. In brackets: 95% intervals over rows, and over "
    "seeds where there are several; *: clear after Holm over the table."
)


def main_table(to_before: ComparisonTable, to_plain: ComparisonTable) -> ResultTable:
    """One row for each number."""
    rows = []
    for column in to_before.columns:
        values = [
            "" if column.endswith(GAIN) else _value(to_before, name, column)
            for name in (UNTRAINED, "pnr", "simcse")
        ]
        differences = [
            to_before.of("pnr").changes.get(column),
            to_before.of("simcse").changes.get(column),
            to_plain.of("pnr").changes.get(column),
        ]
        rows.append([column, *values, *map(_difference, differences)])
    return ResultTable(header=HEADER, rows=rows, note=NOTE)


def _value(table: ComparisonTable, name: str, column: str) -> str:
    mean = _mean(table, name, column)
    return "-" if mean is None else f"{mean:.2f}"


def _mean(table: ComparisonTable, name: str, column: str) -> float | None:
    """Over the seeds; None where it is undefined."""
    spread = table.of(name).spreads.get(column)
    return None if spread is None else spread.mean


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    change, star = difference.change, "" if difference.words == "no clear change" else "*"
    return f"{change.difference:+.2f} [{change.low:+.2f}, {change.high:+.2f}]{star}"


def per_text(
    to_before: ComparisonTable,
    to_plain: ComparisonTable,
    names: Sequence[str],
    verdicts: Mapping[str, Mapping[str, Sequence[TextVerdict]]],
) -> list[dict[str, Any]]:
    """Every number of the table, unrounded: those of each text, then of the labelled tasks."""
    columns = [column for column in to_before.columns if not column.startswith(MEAN)]
    of_text = {name: [column for column in columns if column.startswith(f"{name}: ")] for name in names}
    told = {
        name: {method: [each.to_json() for each in said.get(name, ())] for method, said in verdicts.items()}
        for name in names
    }
    taken = [column for each in of_text.values() for column in each]
    listed = [
        {"text": name, "numbers": _numbers(to_before, to_plain, of_text[name]), "verdicts": told[name]}
        for name in names
    ]
    labelled = [column for column in columns if column not in taken]
    return [
        *listed,
        *({"task": column, "numbers": _numbers(to_before, to_plain, [column])} for column in labelled),
    ]


def _numbers(to_before: ComparisonTable, to_plain: ComparisonTable, columns: Sequence[str]) -> dict[str, Any]:
    numbers = {}
    for column in columns:
        numbers[column] = {
            "before": _mean(to_before, UNTRAINED, column),
            "pnr": _mean(to_before, "pnr", column),
            "plain": _mean(to_before, "simcse", column),
            "pnr_to_before": _plain(to_before.of("pnr").changes.get(column)),
            "plain_to_before": _plain(to_before.of("simcse").changes.get(column)),
            "pnr_to_plain": _plain(to_plain.of("pnr").changes.get(column)),
        }
    return numbers


def _plain(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    change = difference.change
    return {
        "difference": change.difference,
        "interval": [change.low, change.high],
        "p_value": change.p_value,
        "p_corrected": difference.p_corrected,
        "words": difference.words,
        "caution": change.caution,
    }
