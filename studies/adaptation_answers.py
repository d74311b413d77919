"""What the study ``adaptation`` found: whether a word was right, its tables and its figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from contrapose.markdown_table import markdown_table
from studies.adaptation_domains import ADAPTED, METRICS
from studies.study import AllRows, Findings, Marks, Panel, TrialRow

#: The gain that an "unchanged" may have passed by, in points.
PASSED_BY = 1.0


def sizes_of(rows: Sequence[TrialRow]) -> list[str]:
    """How much text was given, in the order of the runs."""
    return list(dict.fromkeys(str(row["factors"]["text"]) for row in rows))


def is_right(facts: Any) -> bool:
    """Whether the word at the end was right, by the labels.

    >>> is_right({"word": "better", "difference": 0.4}), is_right({"word": "unchanged", "signals": {"pairs": 1.2}})
    (True, False)
    """
    if facts["word"] == "better":
        return bool(facts["difference"] > 0)
    return max(facts["signals"].values(), default=0.0) < PASSED_BY


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """By domain and size: the start, the change of every seed, what each signal is worth alone, and the word."""
    table = [
        (domain, text, *_cells(mine))
        for text in sizes_of(rows)
        for domain in ADAPTED
        if (mine := _facts(rows, domain, text))
    ]
    header = (
        "domain",
        "text",
        "start",
        "change, each seed",
        "hybrid search",
        "signals alone",
        "said",
        "seconds",
    )
    brackets = "In brackets the 95% interval over the rows of the test, of clusters over thirty clusterings."
    return Findings(words=(*in_words(rows), brackets), header=header, table=tuple(table))


def in_words(rows: Sequence[TrialRow]) -> tuple[str, ...]:
    """The mean gain, the worst run, and how often the word at the end was right."""
    changes = [[facts["difference"] for facts in _facts(rows, domain)] for domain in ADAPTED]
    means = [float(np.mean(each)) for each in changes if each]
    right = [is_right(row["facts"]) for row in rows]
    better = [row["facts"]["low"] > 0 for row in rows if row["facts"]["word"] == "better"]
    return (
        f"The mean gain over {len(means)} domains is {np.mean(means):+.2f} points; the worst run "
        f"{min(map(min, filter(None, changes))):+.2f}.",
        f"What is said at the end was right in {sum(right)} of {len(right)} runs: 'better' where the task gained, "
        f"'unchanged' where no signal that was trained would have gained {PASSED_BY:g} point.",
        f"Of {len(better)} runs that said 'better', {sum(better)} gained beyond the interval of the labels.",
    )


def _facts(rows: Sequence[TrialRow], domain: str, text: str | None = None) -> list[Any]:
    """What the runs of a domain found, of one size of text or of all."""
    return [
        row["facts"]
        for row in rows
        if row["factors"]["domain"] == domain and text in (None, row["factors"]["text"])
    ]


def _hybrid(mine: Sequence[Any], decimals: int) -> str:
    """Hybrid search with the start, and with what was handed out; nothing where the domain is not searched."""
    hybrid = [facts["hybrid"] for facts in mine if facts["hybrid"] is not None]
    return f"{mine[0]['hybrid_start']:.{decimals}f} to {np.mean(hybrid):.{decimals}f}" if hybrid else ""


def _cells(mine: Sequence[Any]) -> tuple[str, ...]:
    """Of the runs of one domain with one size of text, all after its name and size."""
    alone: dict[str, list[float]] = {}
    for facts in mine:
        for name, change in facts["signals"].items():
            alone.setdefault(name, []).append(change)
    return (
        f"{mine[0]['start']:.2f}",
        ", ".join(
            f"{facts['difference']:+.2f} [{facts['low']:+.2f}, {facts['high']:+.2f}]" for facts in mine
        ),
        _hybrid(mine, 2),
        ", ".join(f"{name} {np.mean(each):+.2f}" for name, each in alone.items()),
        ", ".join(facts["word"] for facts in mine),
        f"{np.mean([facts['seconds'] for facts in mine]):.0f}",
    )


def by_domain(rows: Sequence[TrialRow]) -> list[str]:
    """A table for a page: of every domain the start, and what was handed out, its mean over seeds and their range."""
    header = [
        "domain",
        "measure",
        "before",
        *(f"after, {text}" for text in sizes_of(rows)),
        "hybrid search, all",
    ]
    table = []
    for domain in ADAPTED:
        if not (mine := _facts(rows, domain)):
            continue
        start = mine[0]["start"]
        cells = [domain, METRICS.get(domain, ""), f"{start:.1f}"]
        for text in sizes_of(rows):
            changes = [facts["difference"] for facts in _facts(rows, domain, text)]
            cells.append(_mean_and_range(start, changes))
        table.append([*cells, _hybrid(_facts(rows, domain, sizes_of(rows)[0]), 1)])
    return markdown_table(header, table)


def _mean_and_range(start: float, changes: Sequence[float]) -> str:
    """
    >>> _mean_and_range(37.36, [2.6, 3.0]), _mean_and_range(77.1, [0.0, 0.0]), _mean_and_range(1.0, [])
    ('40.2: +2.80 (+2.60 to +3.00)', '77.1: unchanged', '')
    """
    if not changes:
        return ""
    if not any(changes):
        return f"{start:.1f}: unchanged"
    mean = float(np.mean(changes))
    return f"{start + mean:.1f}: {mean:+.2f} ({min(changes):+.2f} to {max(changes):+.2f})"


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """The change of every run, by domain."""
    names = list(ADAPTED)
    marks = [
        Marks(
            text,
            [
                (row["facts"]["difference"], names.index(row["factors"]["domain"]))
                for row in rows
                if row["factors"]["text"] == text
            ],
        )
        for text in sizes_of(rows)
    ]
    return [Panel(x="change on the labelled task, points", y="", marks=marks, y_names=names, line=0.0)]
