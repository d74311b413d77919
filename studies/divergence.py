"""divergence: does an encoder that moved further from the pretrained model gain more?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from studies.reading import Correlation, correlation, trained
from studies.runs import JUDGED, Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

#: Learning rates that spread the distances; the usual one is among the runs of the other studies.
LEARNING_RATES = (1e-4, 5e-6, 5e-5)
#: Measure of how far the space moved -> what it is called.
MEASURES = {
    "shift": "shift (1 - mean cosine with itself)",
    "cka": "linear CKA with the pretrained model (1: same space)",
    "neighbours_kept": "share of the 10 nearest that stayed",
}
#: The smallest shift that the figure shows.
SMALLEST = 0.001
#: Runs that moved at most this far are looked at alone too: ruined encoders make any correlation.
MODERATE_SHIFT = 0.3


def plan(setup: Setup) -> list[Planned]:
    """Its own runs are few: it reads those of all other studies."""
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"method": "simcse", "learning_rate": setup.learning_rate}, {"method": "simcse"})
    ]
    for rate in LEARNING_RATES:
        factors = {"method": "simcse", "learning_rate": rate}
        wanted.append((factors, factors))
    return setup.runs(wanted)


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """The correlation of every measure with the gain on every task, over all runs and over the moderate ones."""
    every = [row for runs in _by_study(studies).values() for row in runs]
    moderate = [row for row in every if row["facts"]["moved"]["shift"] <= MODERATE_SHIFT]
    table, words = [], []
    for kind, runs in {"all": every, f"shift up to {MODERATE_SHIFT:g}": moderate}.items():
        for measure, title in MEASURES.items():
            of_tasks = [_with_gain(runs, measure, task) for task in JUDGED]
            table.append(
                (kind, str(len(runs)), title, *("–" if each is None else each.cell for each in of_tasks))
            )
        words += [_in_words(kind, runs, task) for task in JUDGED]
    words.append(
        "The runs differ in method, hyperparameters, corpus and seed, and were not drawn at random: a correlation over "
        "them is a description, not a cause."
    )
    header = ("runs", "how many", "measure", *(f"with the gain on {task}" for task in JUDGED))
    return Findings(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Every run: how far it moved, and what it gained on each task."""
    panels = []
    for task in JUDGED:
        marks = []
        for name, runs in _by_study(studies).items():
            facts = [row["facts"] for row in runs]
            spots = [
                (max(each["moved"]["shift"], SMALLEST), each["gain"][task]["difference"]) for each in facts
            ]
            marks.append(Marks(name, spots))
        panels.append(
            Panel(
                x="shift",
                y="gain in points (linear up to 1)",
                marks=marks,
                title=task,
                x_scale="log",
                y_scale="symlog",
                line=0.0,
            )
        )
    return panels


def _by_study(studies: AllRows) -> dict[str, list[TrialRow]]:
    """Each run once, under the first study that holds it, whatever other tasks it was judged on besides."""
    seen: set[str] = set()
    first: dict[str, list[TrialRow]] = {}
    for name, rows in studies.items():
        for row in trained(rows):
            # Runs that did the same to the bit say the same once: another name, or other tasks besides.
            gains = row["facts"]["gain"]
            same = json.dumps([row["facts"]["moved"], [gains.get(task) for task in JUDGED]])
            if same not in seen and all(task in gains for task in JUDGED):
                seen.add(same)
                first.setdefault(name, []).append(row)
    return first


def _with_gain(runs: Sequence[TrialRow], measure: str, task: str) -> Correlation | None:
    return correlation(
        [row["facts"]["moved"][measure] for row in runs],
        [row["facts"]["gain"][task]["difference"] for row in runs],
    )


def _in_words(kind: str, runs: Sequence[TrialRow], task: str) -> str:
    of_shift = _with_gain(runs, "shift", task)
    where = "Over all runs" if kind == "all" else f"Over runs with a {kind}"
    if of_shift is None:
        return f"{where}: too few to correlate shift and gain on {task}."
    if of_shift.low > 0:
        says = "further means more"
    elif of_shift.high < 0:
        says = "further means less"
    else:
        says = "no clear relation"
    return f"{where}, shift and gain on {task}: {says} ({of_shift.words})."


STUDY = Study(
    name="divergence",
    question="Does an encoder that moves further from the pretrained model gain more?",
    plan=plan,
    answer=answer,
    figure=figure,
    reads_others=True,
)
