"""scale: what does more text bring when the computation stays the same, and what does the kind of text bring?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studies.reading import (
    SCORES,
    correlation,
    in_words,
    noise_alone,
    pretrained_score,
    score,
    score_cells,
    scored,
    trained,
)
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

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
    planned = setup.runs([(_factors(main, available, "all"), {"method": METHOD})])
    for name, corpus in zip(domains, setup.corpora[1:], strict=True):
        factors = _factors(name, len(setup.texts(corpus)), "domain")
        planned += setup.runs([(factors, {"method": METHOD})], corpus=corpus)[1:]
    for rows in SIZES:
        if setup.batch_size <= rows < available:
            planned += setup.runs([(_factors(main, rows, "part"), {"method": METHOD})], rows=rows)[1:]
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


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Sizes in order, then domains, beside all of the main corpus."""
    noise, pretrained, runs = noise_alone(studies), pretrained_score(rows), _runs(rows)
    table = []
    for row in runs:
        factors, options = row["factors"], row["options"]
        seen = f"{options['steps'] * options['batch_size'] / factors['rows']:.2g} times"
        table.append((factors["corpus"], f"{factors['rows']:,}", seen, *score_cells([row], pretrained)))
    words = _what_is_fixed(runs)
    parts, domains, whole = _kinds(runs)
    for value, of_all in scored(whole)[:1]:
        band = noise.band(comparisons=len(parts) + len(domains))
        words += [
            f"{_label(row)} beside all of {of_all['factors']['corpus']}: {in_words(other - value, band)}."
            for other, row in scored([*parts, *domains])
        ]
    sizes = scored([*parts, *whole])
    trend = correlation([row["factors"]["rows"] for _, row in sizes], [value for value, _ in sizes])
    words += [] if trend is None else [f"Correlation of size and mean STS: {trend.words}."]
    words.append(f"One seed each. {noise.words}")
    header = ("corpus", "sentences", "each seen", *SCORES)
    return Findings(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Left: sizes of the main corpus; right: kinds of text."""
    runs = _runs(rows)
    parts, domains, whole = _kinds(runs)
    sizes = [(row["factors"]["rows"], score(row)) for row in (*parts, *whole)]
    kinds = [row["factors"]["corpus"] for row in (*whole, *domains)]
    by_kind = [Marks(kinds[at], [(at, score(row))]) for at, row in enumerate((*whole, *domains))]
    half = noise_alone(studies).band(comparisons=max(1, len(runs) - 1))
    shared: dict[str, Any] = {
        "y": "mean STS, dev",
        "line": pretrained_score(rows),
        "band": next(((value, half) for value, _ in scored(whole)), None),
    }
    x = "sentences of the corpus; the same number of steps (dashed: before training)"
    return [
        Panel(x=x, marks=[Marks("sizes", sizes, joined=True)], x_scale="log", **shared),
        Panel(x="kind of text (grey: chance)", marks=by_kind, x_names=kinds, **shared),
    ]


def _runs(rows: Sequence[TrialRow]) -> list[TrialRow]:
    runs = [row for row in trained(rows) if "kind" in row["factors"]]
    return sorted(runs, key=lambda row: (row["factors"]["kind"] == "domain", row["factors"]["rows"]))


def _kinds(runs: Sequence[TrialRow]) -> list[list[TrialRow]]:
    return [[row for row in runs if row["factors"]["kind"] == kind] for kind in ("part", "domain", "all")]


def _label(row: TrialRow) -> str:
    factors = row["factors"]
    return str(factors["corpus"]) if factors["kind"] == "domain" else f"{factors['rows']:,} sentences"


def _what_is_fixed(runs: Sequence[TrialRow]) -> list[str]:
    """What all runs share: without it the comparison means nothing."""
    for row in runs[:1]:
        options = row["options"]
        return [
            f"Fixed for all: {METHOD}, {options['steps']} steps of {options['batch_size']} sentences "
            f"({options['steps'] * options['batch_size']:,} drawn), learning rate {options['learning_rate']:g}, the "
            "pretrained model, the seed. So a small corpus is seen several times and a large one only in part."
        ]
    return []


STUDY = Study(
    name="scale",
    question="With the same computation, what does more text bring, and what does another kind of text?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="CORPUS DOMAIN ...",
)
