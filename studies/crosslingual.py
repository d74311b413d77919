"""crosslingual: what does training on English sentences alone do to other languages?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contrapose.errors import UsageError
from contrapose.experiment.measuring import UNTRAINED
from studies.reading import points, task_value, trained
from studies.runs import JUDGED, Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

#: Methods that are trained.
TRAINED = ("simcse", "hncse-hnm", "focal-infonce")


def plan(setup: Setup) -> list[Planned]:
    """The pretrained model and three methods, on the development splits of STS and translated STS-B, and on STS17.

    STS17 has a test split only: it is read here as what it is, a final evaluation.
    """
    dev, tracks = tasks_across(setup.data)
    wanted = [({"method": name, "seed": 0}, {"method": name}) for name in TRAINED]
    return setup.runs(wanted, tasks=(*dev, *JUDGED, *tracks), elsewhere=dict.fromkeys(tracks, "test"))


def tasks_across(data: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cross-lingual tasks of the folders: those with a development split, and the tracks of STS17.

    Raises :class:`UsageError` where there are none.
    """
    from contrapose.evaluate.dataset_sources import dataset_sources

    sources = [
        each for each in dataset_sources([Path(folder) for folder in data]) if each.group == "crosslingual"
    ]
    dev = tuple(each.task for each in sources if each.task.startswith("STSB.") and "dev" in each.splits)
    tracks = tuple(each.task for each in sources if each.task.startswith("STS17."))
    if not dev and not tracks:
        raise UsageError(
            "study crosslingual needs STS across languages (stsb/dev.en-de.tsv, sts17/track1.ar-ar.tsv ...), and no "
            f"folder of --data holds any: {', '.join(data) or 'none was given'}. Give the folder with another --data"
        )
    return dev, tracks


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Every task before and after, with the interval of its test pairs; means for English and for the rest."""
    before, runs = _pretrained(rows), trained(rows)
    tasks = _tasks(before)
    table = [
        (task, points(task_value(before or {"values": {}}, task)), *(_cell(row, task) for row in runs))
        for task in tasks
    ]
    words = (
        "The pretrained model is an English one: it was never taught other languages, and what it knows of them comes "
        "from names, numbers and shared word pieces. Training here saw English sentences only.",
        *(_changes(row, tasks) for row in runs),
        "One seed each; the intervals are those of the test pairs. Each of the "
        f"{len(tasks)} tasks has its own 95% interval, uncorrected for their number: of tasks that nothing changed, "
        "one in twenty would seem to rise or to fall.",
    )
    header = ("task", "pretrained", *(row["factors"]["method"] for row in runs))
    return Findings(words=words, header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """The change of every task, one mark per method, with its interval."""
    tasks = _tasks(_pretrained(rows))
    marks = []
    for number, row in enumerate(trained(rows)):
        changes = [(at, row["facts"]["gain"].get(task)) for at, task in enumerate(tasks)]
        spots = [
            (each["difference"], at + 0.22 * (number - 1), each["low"], each["high"])
            for at, each in changes
            if each is not None
        ]
        marks.append(Marks(row["factors"]["method"], spots))
    x = "change of Spearman x 100 by training, 95% interval of the test pairs"
    return [Panel(x=x, y="", marks=marks, y_names=tasks, line=0.0)]


def is_english(task: str) -> bool:
    """Both sentences of every pair are English.

    >>> is_english("STS-B"), is_english("STS17.track5.en-en"), is_english("STSB.en-de")
    (True, True, False)
    """
    return task in JUDGED or task.endswith(".en-en")


def _pretrained(rows: Sequence[TrialRow]) -> TrialRow | None:
    return next((row for row in rows if row["options"]["method"] == UNTRAINED), None)


def _tasks(before: TrialRow | None) -> list[str]:
    """English first, then by name."""
    return sorted(before["values"] if before else [], key=lambda name: (not is_english(name), name))


def _cell(row: TrialRow, task: str) -> str:
    gain = row["facts"]["gain"].get(task)
    if gain is None:
        return points(task_value(row, task))
    return f"{gain['difference']:+.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]"


def _changes(row: TrialRow, tasks: Sequence[str]) -> str:
    """How many tasks of each kind rose and fell beyond their interval, and by how much in the mean."""
    parts, gains = [], row["facts"]["gain"]
    for kind, english in (("English", True), ("other", False)):
        of_kind = [gains[task] for task in tasks if task in gains and is_english(task) == english]
        if of_kind:
            rose, fell = sum(gain["low"] > 0 for gain in of_kind), sum(gain["high"] < 0 for gain in of_kind)
            mean = sum(gain["difference"] for gain in of_kind) / len(of_kind)
            parts.append(
                f"of {len(of_kind)} {kind} tasks {rose} rose and {fell} fell beyond their own interval (mean change "
                f"{mean:+.2f})"
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
