"""The figure of docs/methods-measured.md: the difference of every method to SimCSE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.methods_plan import CHOSEN, PAPER
from studies.methods_tables import best_first
from studies.study import Marks, Panel

FIGURE = "figures/methods-measured.svg"
#: How the arms are called beside their marks.
LABELS = {PAPER: "paper's settings", CHOSEN: "best of four settings"}


def figure(report: Mapping[str, Any]) -> list[Panel]:
    """One panel for each start: the difference of every method to SimCSE, with its interval."""
    panels = []
    for start in report["starts"].values():
        names = [row["method"] for row in best_first(start["arms"][PAPER]) if row["method"] != "simcse"]
        if not names:
            continue
        marks = []
        for arm in start["arms"].values():
            by_name = {row["method"]: row["differences"].get(arm["main"]) for row in arm["rows"]}
            points = [
                (change["difference"], at, change["low"], change["high"])
                for at, name in enumerate(names)
                if (change := by_name.get(name))
            ]
            marks.append(points)
        labels = [LABELS[arm] for arm in start["arms"]]
        panels.append(
            Panel(
                x="points of mean STS beside SimCSE",
                y="",
                title=f"from {start['model']}",
                marks=[Marks(label, points) for label, points in zip(labels, marks, strict=True) if points],
                y_names=names,
                line=0.0,
            )
        )
    return panels
