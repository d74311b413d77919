"""scale: what does more text bring when the computation stays the same, and what does the kind of text bring?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies import figures
from studies.noise import in_words, noise_alone
from studies.plans import runs
from studies.rows import (
    correlation,
    points,
    score,
    start_score,
    task_value,
    trained,
)
from studies.setup import JUDGED, Planned, Setup
from studies.study import AllRows, Answer, Row, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Rows of the main corpus to train on; all of it comes besides.
SIZES = (1_000, 16_000, 64_000, 4_000)
#: The method that is trained.
METHOD = "hncse-hnm"


def plan(setup: Setup) -> list[Planned]:
    """All of the main corpus, each further corpus, and parts of the main one.

    Sizes that the corpus does not have are left out.
    """
    available = len(setup.texts())
    main, *domains = map(name_of, setup.corpora)
    planned = runs(setup, [(_factors(main, available, "all"), {"method": METHOD})])
    for name, corpus in zip(domains, setup.corpora[1:], strict=True):
        factors = _factors(name, len(setup.texts(corpus)), "domain")
        planned += runs(setup, [(factors, {"method": METHOD})], corpus=corpus)[1:]
    for rows in SIZES:
        if setup.batch_size <= rows < available:
            planned += runs(setup, [(_factors(main, rows, "part"), {"method": METHOD})], rows=rows)[1:]
    return planned


def name_of(corpus: str) -> str:
    """A file's name without its ending; one that is only called sentences has the name of its folder.

    >>> name_of("general/wiki.txt.gz"), name_of("cranfield/sentences.txt.gz")
    ('wiki', 'cranfield')
    """
    path = Path(corpus)
    stem = path.name.partition(".")[0]
    return path.resolve().parent.name if stem == "sentences" else stem


def _factors(corpus: str, rows: int, kind: str) -> dict[str, Any]:
    return {"corpus": corpus, "rows": rows, "kind": kind}


def answer(rows: Sequence[Row], studies: AllRows) -> Answer:
    """Sizes in order, then domains, beside all of the main corpus."""
    noise, start, found = noise_alone(studies), start_score(rows), _ordered(rows)
    header = ("corpus", "sentences", "each seen", *JUDGED, "mean", "gain over the start")
    table = []
    for row in found:
        value, drawn = score(row), row["options"]["steps"] * row["options"]["batch_size"]
        tasks = [points(task_value(row, task)) for task in JUDGED]
        gain = None if value is None or start is None else value - start
        seen = f"{drawn / row['factors']['rows']:.2g} times"
        sentences = f"{row['factors']['rows']:,}"
        table.append(
            (row["factors"]["corpus"], sentences, seen, *tasks, points(value), points(gain, signed=True))
        )
    words = _fixed(found)
    whole = next((value for row in found if row["factors"]["kind"] == "all" and (value := score(row))), None)
    others = [row for row in found if row["factors"]["kind"] != "all"]
    if whole is not None:
        band = noise.band(comparisons=len(others))
        words += [
            f"{_label(row)} beside all of {_main(found)}: {in_words(value - whole, band)}."
            for row in others
            if (value := score(row)) is not None
        ]
    return Answer(
        words=(*words, *_trend(found), f"One seed each. {noise.words}"), header=header, table=tuple(table)
    )


def figure(rows: Sequence[Row], studies: AllRows) -> Figure:
    """Left: sizes of the main corpus; right: kinds of text."""
    drawn, ((left, right),) = figures.figure(2, width=10, height=3.6)
    noise, start, found = noise_alone(studies), start_score(rows), _ordered(rows)
    sizes = [row for row in found if row["factors"]["kind"] != "domain"]
    left.plot([row["factors"]["rows"] for row in sizes], [score(row) for row in sizes], **figures.look(0))
    left.set_xscale("log")
    left.set_xlabel("sentences of the corpus; the same number of steps")
    left.set_ylabel("mean STS, dev")
    domains = [row for row in found if row["factors"]["kind"] != "part"]
    for place, row in enumerate(domains):
        right.plot([place], [score(row)], linestyle="", **figures.look(place))
    right.set_xticks(range(len(domains)), [row["factors"]["corpus"] for row in domains])
    right.margins(x=0.2)
    whole = next((score(row) for row in found if row["factors"]["kind"] == "all"), None)
    for axes in (left, right):
        if whole is not None:
            figures.noise_band(axes, whole, noise.band(comparisons=max(1, len(found) - 1)))
        if start is not None:
            axes.axhline(start, color="black", linestyle="--", linewidth=1, label="before training")
    if found:
        left.legend(fontsize=8)
    return drawn


def _ordered(rows: Sequence[Row]) -> list[Row]:
    found = [row for row in trained(rows) if "kind" in row["factors"]]
    return sorted(found, key=lambda row: (row["factors"]["kind"] == "domain", row["factors"]["rows"]))


def _main(found: Sequence[Row]) -> str:
    return next(str(row["factors"]["corpus"]) for row in found if row["factors"]["kind"] == "all")


def _label(row: Row) -> str:
    factors = row["factors"]
    return str(factors["corpus"]) if factors["kind"] == "domain" else f"{factors['rows']:,} sentences"


def _fixed(found: Sequence[Row]) -> list[str]:
    """What all runs share: without it the comparison means nothing."""
    if not found:
        return []
    options = found[0]["options"]
    return [
        f"Fixed for all: {METHOD}, {options['steps']} steps of {options['batch_size']} sentences "
        f"({options['steps'] * options['batch_size']:,} drawn), learning rate {options['learning_rate']:g}, the start, "
        "the seed. So a small corpus is seen several times and a large one only in part."
    ]


def _trend(found: Sequence[Row]) -> list[str]:
    """Does size matter at all?"""
    sizes = [row for row in found if row["factors"]["kind"] != "domain" and score(row) is not None]
    of = correlation([row["factors"]["rows"] for row in sizes], [score(row) or 0.0 for row in sizes])
    return [] if of is None else [f"Correlation of size and mean STS: {of.words}."]


STUDY = Study(
    name="scale",
    question="With the same computation, what does more text bring, and what does another kind of text?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="CORPUS DOMAIN ...",
)
