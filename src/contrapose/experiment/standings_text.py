"""Standings as words, Markdown and JSON: the same numbers everywhere, read once from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contrapose.evaluate.over_seeds import Spread
from contrapose.experiment.standings import Judged, Standing, Standings
from contrapose.markdown_table import markdown_table

HEADER = (
    "method",
    "seeds",
    "mean ± s",
    "95% interval",
    "difference",
    "95% interval",
    "p, Holm",
    "in words",
)


def seeds_of(row: Standing) -> str:
    """How many seeds the numbers are of, and how many trials failed.

    >>> seeds_of(Standing(method="a", seeds=(0, 1), failed=("x",), values={}, spreads={}, intervals={}))
    '2 (1 diverged)'
    """
    if row.seeds == (None,):
        return "-"
    return f"{len(row.seeds)}" + (f" ({len(row.failed)} diverged)" if row.failed else "")


def number(spread: Spread | None) -> str:
    """
    >>> number(Spread(mean=81.0, std=1.0, low=78.5, high=83.5, level=0.95, seeds=3)), number(None)
    ('81.00 ± 1.00', 'undefined')
    """
    if spread is None:
        return "undefined"
    return f"{spread.mean:.2f}" + (f" ± {spread.std:.2f}" if spread.std is not None else "")


def main_rows(found: Standings) -> list[list[str]]:
    """The rows under HEADER, on the main column."""
    return [[row.method, seeds_of(row), *_cells(found, row, found.main)] for row in found.rows]


def _cells(found: Standings, row: Standing, column: str) -> list[str]:
    interval = row.intervals.get(column)
    shown = f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
    judged = row.changes.get(column)
    told = "the baseline" if row.method == found.baseline else ""
    return [number(row.spreads.get(column)), shown, *(_judged(judged) if judged else ["", "", "", told])]


def _judged(judged: Judged) -> list[str]:
    change = judged.change
    return [
        f"{change.difference:+.2f}",
        f"[{change.low:+.2f}, {change.high:+.2f}]",
        f"{judged.p_corrected:.3f}",
        judged.words,
    ]


def verdicts(found: Standings) -> list[str]:
    """What the comparison says, one sentence for each word."""
    groups: dict[str, list[str]] = {"better": [], "worse": [], "no clear change": []}
    for row in found.rows:
        if found.main in row.changes:
            groups[row.changes[found.main].words].append(row.method)
    said = {
        "better": "clearly better than {}: {}",
        "worse": "clearly worse than {}: {}",
        "no clear change": "not to be told from {}, within the noise of seeds and test rows: {}",
    }
    lines = [said[word].format(found.baseline, ", ".join(names)) for word, names in groups.items() if names]
    alone = [row.method for row in found.rows if len(row.seeds) == 1 and row.seeds != (None,)]
    if alone:
        lines.append(
            f"with one seed only, whose luck no interval holds: {', '.join(alone)}. Give --seeds 3 or more"
        )
    return lines


def explanation(found: Standings) -> str:
    """What the numbers of the main table are."""
    tasks = found.columns[found.main]
    of = f"the mean of {', '.join(tasks)}" if len(tasks) > 1 else tasks[0]
    compared = sum(found.main in row.changes for row in found.rows)
    return (
        f"{found.main}: {of} ({found.metrics[tasks[0]]} x 100). ± s: sample standard deviation over seeds. "
        "Intervals hold the noise of seeds and of test rows; differences are "
        f"to {found.baseline}, on the same rows; p after Holm for {compared} comparisons. The start has no seeds."
    )


def task_table(found: Standings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of mean ± s for every task; * where the difference to the baseline is clear."""
    names = [name for name in found.columns if name != found.main or len(found.columns) == 1]
    rows = []
    for row in found.rows:
        cells = []
        for name in names:
            judged = row.changes.get(name)
            clear = judged is not None and judged.words != "no clear change"
            cells.append(number(row.spreads.get(name)) + ("*" if clear else ""))
        rows.append([row.method, *cells])
    return ["method", *names], rows


STAR = "*: clearly different from the baseline on this task; p after Holm over all methods and tasks of the table."


def markdown(found: Standings, title: str, facts: Sequence[str]) -> str:
    """results.md of an experiment."""
    parts = [
        f"# {title}",
        "",
        *(f"- {fact}" for fact in facts),
        "",
        *(f"- {line}" for line in verdicts(found)),
        "",
    ]
    parts += [*markdown_table(HEADER, main_rows(found)), "", explanation(found), ""]
    header, rows = task_table(found)
    if len(found.columns) > 1:
        parts += ["## Every task", "", *markdown_table(header, rows), "", STAR.replace("*", "\\*", 1), ""]
    return "\n".join(parts)


def to_json(found: Standings) -> dict[str, Any]:
    """Every number of the tables, unrounded."""
    return {
        "baseline": found.baseline,
        "judged_by": found.main,
        "columns": {name: list(tasks) for name, tasks in found.columns.items()},
        "metrics": dict(found.metrics),
        "methods": [_method_json(row) for row in found.rows],
        "verdicts": verdicts(found),
    }


def _method_json(row: Standing) -> dict[str, Any]:
    numbers = {}
    for name, spread in row.spreads.items():
        judged = row.changes.get(name)
        numbers[name] = {
            "mean": spread.mean,
            "std": spread.std,
            "interval": list(row.intervals[name]) if name in row.intervals else None,
            "values": list(row.values[name]),
            "change": _change_json(judged) if judged else None,
        }
    return {"method": row.method, "seeds": list(row.seeds), "failed": list(row.failed), "numbers": numbers}


def _change_json(judged: Judged) -> dict[str, Any]:
    change = judged.change
    return {
        "difference": change.difference,
        "interval": [change.low, change.high],
        "p_value": change.p_value,
        "p_corrected": judged.p_corrected,
        "words": judged.words,
        "seed_error": change.seed_error,
        "row_error": change.row_error,
        "caution": change.caution,
    }
