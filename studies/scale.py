"""scale: what does hard negative mixing bring beside SimCSE, by the size of the corpus and by its domain?

Sizes are parts of the main corpus, judged on the development splits of STS. A further corpus is a domain: it is trained
on, and judged on the test split of the labelled tasks that lie in its own folder; without any, on STS. SimCSE and
HNCSE-HNM get the same sentences, steps and seeds, and what is looked at is their difference. How far such differences
scatter is that of corpora judged on the same tasks: a point of accuracy is no point of Spearman's correlation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from contrapose.evaluate.dataset_sources import dataset_sources
from contrapose.experiment.measuring import UNTRAINED
from studies.reading import SeedNoise, correlation, in_words, mean, points, score, trained
from studies.runs import Planned, Setup
from studies.study import AllRows, Findings, Marks, Panel, Study, TrialRow

#: Rows of the main corpus to train on; all of it comes besides.
SIZES = (1_000, 16_000, 64_000, 4_000)
#: Degrees of freedom below which an interval is too wide to say anything.
FEWEST_DEGREES = 2
#: What is compared: the second one is looked at beside the first.
BASELINE, METHOD = "simcse", "hncse-hnm"
STS = "STS, dev"


def plan(setup: Setup) -> list[Planned]:
    """All of the main corpus, each domain, and parts of the main corpus; sizes that it does not have are left out."""
    available = len(setup.texts())
    main = name_of(setup.corpora[0])
    planned = setup.runs(_both(setup, _factors(main, available, "all", STS)))
    for corpus in setup.corpora[1:]:
        own: dict[str, Any] = {}
        tasks = own_tasks(corpus)
        if tasks:
            own = {"tasks": tasks, "data": (str(Path(corpus).parent),), "split": "test"}
        judged = ", ".join(tasks) or STS
        factors = _factors(name_of(corpus), len(setup.texts(corpus)), "domain", judged)
        planned += setup.runs(_both(setup, factors), corpus=corpus, **own)
    for rows in SIZES:
        if setup.batch_size <= rows < available:
            planned += setup.runs(_both(setup, _factors(main, rows, "part", STS)), rows=rows)[1:]
    return planned


def own_tasks(corpus: str) -> tuple[str, ...]:
    """The labelled tasks in the folder of a corpus, by name."""
    sources = dataset_sources([Path(corpus).resolve().parent])
    return tuple(source.task for source in sources if "test" in source.splits)


def name_of(corpus: str) -> str:
    """A file's name without its ending; one that is only called sentences has the name of its folder.

    >>> name_of("general/wiki.txt.gz"), name_of("cranfield/sentences.txt.gz")
    ('wiki', 'cranfield')
    """
    path = Path(corpus)
    stem = path.name.partition(".")[0]
    return path.resolve().parent.name if stem == "sentences" else stem


def _both(setup: Setup, factors: dict[str, Any]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    for seed in range(setup.seeds):
        for method in (BASELINE, METHOD):
            own = {"method": method, "seed": seed}
            yield {**factors, **own}, own


def _factors(corpus: str, rows: int, kind: str, judged: str) -> dict[str, Any]:
    return {"corpus": corpus, "rows": rows, "kind": kind, "judged": judged}


def answer(rows: Sequence[TrialRow], studies: AllRows) -> Findings:
    """Sizes in order, then domains; each with the difference of the two methods over the seeds."""
    groups = _groups(rows)
    table, words = [], [*_what_is_fixed(rows), _noise(STS, groups).words, *_of_domains(groups)]
    for group in groups:
        value, differences = mean(group.differences), group.differences
        table.append(
            (
                group.corpus,
                f"{group.rows:,}",
                f"{group.seen:.2g} times",
                group.judged,
                points(_before(rows, group)),
                points(mean(group.of(BASELINE))),
                points(mean(group.of(METHOD))),
                points(value, signed=True),
                str(len(differences)),
            )
        )
        if value is not None:
            noise = _noise(group.judged, groups)
            band = noise.band(len(differences), len(differences), len(groups))
            by_seed = ", ".join(points(each, signed=True) for each in differences)
            judged = (
                in_words(value, band)
                if noise.df >= FEWEST_DEGREES
                else f"{value:+.2f} ({by_seed} by seed), too few seeds to tell from chance"
            )
            words.append(f"{group.label}: {METHOD} beside {BASELINE}: {judged}.")
    sizes = [(group.rows, value) for group in groups if group.kind != "domain" for value in group.differences]
    if len({rows_of for rows_of, _ in sizes}) > 1:
        overall = sum(value for _, value in sizes) / len(sizes)
        band = _noise(STS, groups).band(len(sizes), len(sizes))
        words.append(f"All sizes together: {METHOD} beside {BASELINE}: {in_words(overall, band)}.")
    trend = correlation([size for size, _ in sizes], [value for _, value in sizes])
    words += [] if trend is None else [f"Correlation of size and difference: {trend.words}."]
    header = (
        "corpus",
        "sentences",
        "each seen",
        "judged on",
        "start",
        BASELINE,
        METHOD,
        "difference",
        "seeds",
    )
    return Findings(words=tuple(words), header=header, table=tuple(table))


def figure(rows: Sequence[TrialRow], studies: AllRows) -> list[Panel]:
    """The difference of the methods: left by size, right by domain."""
    groups = _groups(rows)
    domains = [group for group in groups if group.kind == "domain"]
    sizes = [group for group in groups if group.kind != "domain"]
    seeds = max((len(group.differences) for group in groups), default=1)
    band = (0.0, _noise(STS, groups).band(seeds, seeds, max(1, len(groups))))
    by_size = [(group.rows, value) for group in sizes for value in group.differences]
    by_domain = [
        Marks(group.corpus, [(value, at) for value in group.differences]) for at, group in enumerate(domains)
    ]
    y = f"{METHOD} minus {BASELINE}, mean STS, dev"
    x = f"{METHOD} minus {BASELINE}, points of the domain's own task, a mark per seed"
    sizes_x = "sentences of the corpus (grey: chance)"
    return [
        Panel(x=sizes_x, y=y, marks=[Marks("sizes", by_size)], x_scale="log", line=0.0, band=band),
        Panel(x=x, y="", marks=by_domain, y_names=[group.corpus for group in domains], line=0.0),
    ]


def _before(rows: Sequence[TrialRow], group: Group) -> float | None:
    """The pretrained model on the tasks that a group is judged on."""
    untrained = [row for row in rows if row["options"].get("method") == UNTRAINED]
    return next((value for row in untrained if (value := group.score(row)) is not None), None)


class Group:
    """The runs on one corpus: both methods, all seeds."""

    def __init__(self, runs: Sequence[TrialRow]) -> None:
        factors, options = runs[0]["factors"], runs[0]["options"]
        self.corpus, self.rows, self.kind = str(factors["corpus"]), int(factors["rows"]), str(factors["kind"])
        self.judged = str(factors["judged"])
        self.seen = options["steps"] * options["batch_size"] / self.rows
        self._scores = {(row["factors"]["method"], row["factors"]["seed"]): self.score(row) for row in runs}

    def score(self, row: TrialRow) -> float | None:
        """The mean over the tasks that the group is judged on."""
        if self.judged == STS:
            return score(row)
        return mean(
            value["value"] for task, value in row["values"].items() if task in self.judged.split(", ")
        )

    def of(self, method: str) -> list[float]:
        return [value for (name, _), value in self._scores.items() if name == method and value is not None]

    @property
    def differences(self) -> list[float]:
        """Of equal seeds."""
        seeds = sorted({seed for _, seed in self._scores})
        pairs = [(self._scores.get((METHOD, seed)), self._scores.get((BASELINE, seed))) for seed in seeds]
        return [one - other for one, other in pairs if one is not None and other is not None]

    @property
    def label(self) -> str:
        return self.corpus if self.kind == "domain" else f"{self.rows:,} sentences of {self.corpus}"


def _noise(judged: str, groups: Sequence[Group]) -> SeedNoise:
    """How far differences of equal seeds scatter, pooled over the groups judged on these tasks that have several."""
    several = [each for group in groups if group.judged == judged and len(each := group.differences) > 1]
    df = sum(len(values) - 1 for values in several)
    total = sum((value - sum(values) / len(values)) ** 2 for values in several for value in values)
    return SeedNoise(sd=math.sqrt(total / df / 2) if df else 0.0, df=df, paired=True)


def _of_domains(groups: Sequence[Group]) -> list[str]:
    if not any(group.kind == "domain" for group in groups):
        return []
    return ["A domain with a task of its own is judged by the scatter of its own differences over the seeds."]


def usable(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Runs of both methods, and the pretrained models; rows of an earlier form, of one method, are left out."""
    runs = [row for row in rows if "judged" in row["factors"]]
    return runs and [*(row for row in rows if row["options"].get("method") == UNTRAINED), *runs]


def _groups(rows: Sequence[TrialRow]) -> list[Group]:
    """Sizes in their order, then domains."""
    by_corpus: dict[tuple[Any, ...], list[TrialRow]] = {}
    for row in usable(trained(rows)):
        factors = row["factors"]
        key = (factors["kind"] == "domain", factors["rows"], factors["corpus"])
        by_corpus.setdefault(key, []).append(row)
    return [Group(by_corpus[key]) for key in sorted(by_corpus)]


def _what_is_fixed(rows: Sequence[TrialRow]) -> list[str]:
    """What all runs share: without it the comparison means nothing."""
    for row in trained(rows)[:1]:
        options = row["options"]
        return [
            f"Fixed for all: {options['steps']} steps of {options['batch_size']} sentences "
            f"({options['steps'] * options['batch_size']:,} drawn), learning rate {options['learning_rate']:g}, the "
            "pretrained model. So a small corpus is seen several times and a large one only in part."
        ]
    return []


STUDY = Study(
    name="scale",
    question="What does hard negative mixing bring beside SimCSE, by the size of the corpus and by its domain?",
    plan=plan,
    answer=answer,
    figure=figure,
    corpora="CORPUS DOMAIN ...",
    usable=usable,
)
