"""signals: what is each thing that text can teach worth, alone and together, on tasks with labels?

The runs are those of ``adaptation``, which trains every signal that a text holds; here each is judged whole, before
held-out text has chosen anything. What is handed out in the end stands beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from contrapose.adapt.choice import TOGETHER, WEIGHED
from contrapose.adapt.signals import SIGNALS
from studies import adaptation
from studies.adaptation_domains import ADAPTED
from studies.reading import rows_in
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

HANDED_OUT = "handed out"
#: In the order of the table.
NAMES = (WEIGHED, *(signal.name for signal in SIGNALS), TOGETHER, HANDED_OUT)


def plan(setup: Setup) -> list[Planned]:
    """Those of ``adaptation`` that were not run in the same folder."""
    known = {row["key"] for row in rows_in(setup.out, [adaptation.STUDY.name]).get(adaptation.STUDY.name, ())}
    return [each for each in adaptation.plan(setup) if each.trial.key not in known]


def is_judged(row: TrialRow) -> bool:
    """Whether the signals of an adaptation were judged alone, or there was none."""
    facts = row["facts"]
    known = "signals" in facts and row["factors"].get("domain") in ADAPTED
    return known and bool(facts["signals"] or facts["word"] == "unchanged")


def worth(rows: Sequence[TrialRow]) -> Mapping[str, Mapping[str, list[float]]]:
    """signal -> domain -> change of the labelled task in every run that trained it."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in NAMES}
    for row in rows:
        facts, domain = row["facts"], row["factors"].get("domain")
        if not is_judged(row):
            continue
        for name, change in {**facts["signals"], HANDED_OUT: facts["difference"]}.items():
            found[name if name in found else name.split("-")[0]].setdefault(domain, []).append(change)
    return {name: by_domain for name, by_domain in found.items() if by_domain}


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """By signal: the mean change on each domain, and over all of them."""
    found = worth(rows)
    domains = [domain for domain in ADAPTED if any(domain in by_domain for by_domain in found.values())]
    table, words = [], []
    for name, by_domain in found.items():
        means = {domain: float(np.mean(changes)) for domain, changes in by_domain.items()}
        cells = [f"{means[domain]:+.2f}" if domain in means else "" for domain in domains]
        changes = [change for each in by_domain.values() for change in each]
        helped = sum(change > 0 for change in changes)
        table.append((name, *cells, f"{np.mean([*means.values()]):+.2f}", f"{helped} of {len(changes)}"))
        worst = min(means, key=lambda domain: means[domain])
        words.append(
            f"{name}: a gain in {helped} of {len(changes)} runs, {np.mean([*means.values()]):+.2f} points on average "
            f"over {len(means)} domains; the least is {means[worst]:+.2f}, on {worst}."
        )
    words.append(
        "Points of the metric that counts on a domain, whole; a domain is left empty where its text does not hold the "
        "signal, or where it was not used. Words are judged only where held-out text took them."
    )
    return Findings(words=tuple(words), header=("signal", *domains, "mean", "gained"), table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """Every run: the change of its labelled task by signal, coloured by domain."""
    found = worth(rows)
    names = list(found)
    marks = [
        Marks(
            domain,
            [(change, names.index(name)) for name in names for change in found[name].get(domain, ())],
        )
        for domain in ADAPTED
        if any(domain in by_domain for by_domain in found.values())
    ]
    return [Panel(x="change on the labelled task, points", y="", marks=marks, y_names=names, line=0.0)]


def usable(rows: Sequence[TrialRow]) -> Sequence[TrialRow]:
    """Rows of adaptations whose signals were judged alone."""
    return [row for row in rows if is_judged(row)]


STUDY = Study(
    name="signals",
    question="What is each thing that text can teach worth, alone and together?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="",
    data=("DATA",),
    reads_others=True,
    usable=usable,
)
