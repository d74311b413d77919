"""crosslingual: what does training on English sentences alone do to other languages?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.experiment.measuring import UNTRAINED
from studies import figures
from studies.plans import METHODS, runs
from studies.rows import points, task_value, trained
from studies.setup import JUDGED, Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Methods that are trained.
TRAINED = ("simcse", "hncse-hnm", "focal-infonce")


def plan(setup: Setup) -> list[Planned]:
    """The start and three methods, on the development splits of STS and translated STS-B, and on the STS17 tracks.

    STS17 has a test split only: it is read here as what it is, a final evaluation.
    """
    dev, tracks = tasks_across(setup.data)
    wanted = [({"method": name, "seed": 0}, dict(METHODS[name])) for name in TRAINED]
    return runs(setup, wanted, tasks=(*dev, *JUDGED, *tracks), elsewhere=dict.fromkeys(tracks, "test"))


def tasks_across(data: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cross-lingual tasks of the folders: those with a development split, and the tracks of STS17.

    Raises :class:`UsageError` where there are none.
    """
    from contrapose.errors import UsageError
    from contrapose.evaluate.found import sources_in

    found = [each for each in sources_in([Path(folder) for folder in data]) if each.group == "crosslingual"]
    dev = tuple(each.task for each in found if each.task.startswith("STSB.") and "dev" in each.splits)
    tracks = tuple(each.task for each in found if each.task.startswith("STS17."))
    if not dev and not tracks:
        raise UsageError(
            "study crosslingual needs STS across languages (stsb/dev.en-de.tsv, sts17/track1.ar-ar.tsv ...), and no "
            f"folder of --data holds any: {', '.join(data) or 'none was given'}. Give the folder with another --data"
        )
    return dev, tracks


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """Every task before and after, with the interval of its test pairs; means for English and for the rest."""
    start, found = _start(rows), trained(rows)
    methods = [row["factors"]["method"] for row in found]
    table = []
    for task in _tasks(start):
        cells = [_cell(row, task) for row in found]
        table.append((task, points(task_value(start or {"values": {}}, task)), *cells))
    words = [
        "The start is an English model: it was never taught other languages, and what it knows of them comes from "
        "names, numbers and shared word pieces. Training here saw English sentences only.",
        *(_method_words(row, _tasks(start)) for row in found),
        "One seed each; the intervals are those of the test pairs.",
    ]
    return Answer(words=tuple(words), header=("task", "start", *methods), table=tuple(table))


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """The change of every task, one mark per method, with its interval."""
    tasks, found = _tasks(_start(rows)), trained(rows)
    drawn, ((axes,),) = figures.figure(height=max(3.6, 0.34 * len(tasks) + 1.2))
    for number, row in enumerate(found):
        gains = row["facts"]["gain"]
        known = [(place, gains[task]) for place, task in enumerate(tasks) if task in gains]
        middle = [gain["difference"] for _, gain in known]
        bars = [
            [gain["difference"] - gain["low"] for _, gain in known],
            [gain["high"] - gain["difference"] for _, gain in known],
        ]
        heights = [place + 0.22 * (number - 1) for place, _ in known]
        label = row["factors"]["method"]
        axes.errorbar(middle, heights, xerr=bars, linestyle="", label=label, **figures.look(number))
    axes.axvline(0, color="black", linewidth=1)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.invert_yaxis()
    axes.set_xlabel("change of Spearman x 100 after training, 95% interval of the test pairs")
    if found:
        axes.legend()
    return drawn


def _start(rows: Sequence[Row]) -> Row | None:
    return next((row for row in rows if row["options"]["method"] == UNTRAINED), None)


def _tasks(start: Row | None) -> list[str]:
    """English first, then by name."""
    names = list(start["values"]) if start else []
    return sorted(names, key=lambda name: (not is_english(name), name))


def is_english(task: str) -> bool:
    """Both sentences of every pair are English.

    >>> is_english("STS-B"), is_english("STS17.track5.en-en"), is_english("STSB.en-de")
    (True, True, False)
    """
    return task in JUDGED or task.endswith(".en-en")


def _cell(row: Row, task: str) -> str:
    gain = row["facts"]["gain"].get(task)
    if gain is None:
        return points(task_value(row, task))
    return f"{gain['difference']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]"


def _method_words(row: Row, tasks: Sequence[str]) -> str:
    """How many tasks of each kind rose and fell beyond their interval, and by how much in the mean."""
    parts = []
    for kind, english in (("English", True), ("other", False)):
        gains = [
            row["facts"]["gain"][task]
            for task in tasks
            if is_english(task) == english and task in row["facts"]["gain"]
        ]
        if not gains:
            continue
        rose, fell = sum(gain["low"] > 0 for gain in gains), sum(gain["high"] < 0 for gain in gains)
        mean = sum(gain["difference"] for gain in gains) / len(gains)
        parts.append(
            f"of {len(gains)} {kind} tasks {rose} rose and {fell} fell clearly (mean change {mean:+.2f})"
        )
    return f"{row['factors']['method']}: {'; '.join(parts)}."


STUDY = Study(
    name="crosslingual",
    question="What does training on English sentences do to other languages?",
    plan=plan,
    answer=answer,
    figure=figure,
    data=("SENTEVAL", "CROSSLINGUAL"),
)
