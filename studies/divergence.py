"""divergence: does an encoder that moved further from its start gain more?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.plans import runs
from studies.rows import Correlation, correlation, trained
from studies.setup import JUDGED, Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Learning rates that spread the distances; the usual one is among the runs of the other studies.
LEARNING_RATES = (1e-4, 5e-6, 5e-5)
#: Measure of how far the space moved -> what it is called.
MEASURES = {
    "shift": "shift (1 - mean cosine with itself)",
    "cka": "linear CKA with the start (1: same space)",
    "neighbours_kept": "share of the 10 nearest that stayed",
}
SHIFT_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
GAIN_TICKS = (-80, -40, -20, -10, -5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)
#: Runs that moved at most this far are looked at alone too: ruined encoders make any correlation.
MODERATE_SHIFT = 0.3


def plan(setup: Setup) -> list[Planned]:
    """Its own runs are few: it reads those of all other studies."""
    usual: dict[str, Any] = {"method": "simcse", "learning_rate": setup.learning_rate}
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [(usual, {"method": "simcse"})]
    for rate in LEARNING_RATES:
        factors = {"method": "simcse", "learning_rate": rate}
        wanted.append((factors, {"method": "simcse", "learning_rate": rate}))
    return runs(setup, wanted)


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """The correlation of every measure with the gain on every task, over all runs and over the moderate ones."""
    found = _every_run(studies)
    moderate = [row for row in found if row["facts"]["moved"]["shift"] <= MODERATE_SHIFT]
    kinds = {"all": found, f"shift up to {MODERATE_SHIFT:g}": moderate}
    table, words = [], []
    for kind, some in kinds.items():
        for measure, title in MEASURES.items():
            told = [_told(_with_gain(some, measure, task)) for task in JUDGED]
            table.append((kind, str(len(some)), title, *told))
        words += [_in_words(kind, some, task) for task in JUDGED]
    words.append(
        "The runs differ in method, numbers, corpus and seed, and were not drawn at random: a correlation over them is "
        "a description, not a cause."
    )
    header = ("runs", "how many", "measure", *(f"with the gain on {task}" for task in JUDGED))
    return Answer(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Every run: how far it moved, and what it gained on each task."""
    drawn, axes = figures.figure(len(JUDGED), width=10, height=3.8)
    by_study = _first_study_of(studies)
    for panel, task in zip(axes.flat, JUDGED, strict=True):
        for number, (name, some) in enumerate(by_study.items()):
            known = [row for row in some if task in row["facts"]["gain"]]
            panel.plot(
                [max(row["facts"]["moved"]["shift"], SHIFT_TICKS[0]) for row in known],
                [row["facts"]["gain"][task]["difference"] for row in known],
                linestyle="",
                label=name,
                **figures.look(number),
            )
        panel.axhline(0, color="black", linewidth=1)
        panel.set_xscale("log")
        panel.set_yscale("symlog", linthresh=2)
        _tick(panel)
        panel.set_title(task, fontsize=10)
        panel.set_xlabel("shift (logarithmic)")
    axes.flat[0].set_ylabel("gain in points (linear up to 2)")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    if handles:
        drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return drawn


def _tick(panel: Axes) -> None:
    """Round numbers within what is shown: on these scales matplotlib writes powers of ten only."""
    for axis, known in ((panel.xaxis, SHIFT_TICKS), (panel.yaxis, GAIN_TICKS)):
        low, high = sorted(axis.get_view_interval())
        shown = [tick for tick in known if low <= tick <= high]
        axis.set_ticks(shown, [f"{tick:g}" for tick in shown])
        axis.set_ticks([], minor=True)


def _first_study_of(studies: AllRows) -> dict[str, list[Row]]:
    """Each run once, under the first study that holds it, whatever other tasks it was judged on besides."""
    seen: set[str] = set()
    found: dict[str, list[Row]] = {}
    for name, rows in studies.items():
        for row in trained(rows):
            # Runs that did the same to the bit say the same once: another name, or other tasks besides.
            gains = row["facts"]["gain"]
            known = json.dumps([row["facts"]["moved"], [gains.get(task) for task in JUDGED]])
            if known not in seen and all(task in gains for task in JUDGED):
                seen.add(known)
                found.setdefault(name, []).append(row)
    return found


def _every_run(studies: AllRows) -> list[Row]:
    return [row for rows in _first_study_of(studies).values() for row in rows]


def _with_gain(rows: Sequence[Row], measure: str, task: str) -> Correlation | None:
    return correlation(
        [row["facts"]["moved"][measure] for row in rows],
        [row["facts"]["gain"][task]["difference"] for row in rows],
    )


def _told(found: Correlation | None) -> str:
    return "–" if found is None else f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _in_words(kind: str, rows: Sequence[Row], task: str) -> str:
    found = _with_gain(rows, "shift", task)
    where = "Over all runs" if kind == "all" else f"Over runs with a {kind}"
    if found is None:
        return f"{where}: too few to correlate shift and gain on {task}."
    if found.low > 0:
        says = "further means more"
    elif found.high < 0:
        says = "further means less"
    else:
        says = "no clear relation"
    return f"{where}, shift and gain on {task}: {says} ({found.words})."


STUDY = Study(
    name="divergence",
    question="Does an encoder that moves further from its start gain more?",
    plan=plan,
    answer=answer,
    figure=figure,
    reads_others=True,
)
