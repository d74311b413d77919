"""docs/methods-measured.md: the table of methods as a page, made from docs/results/methods.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from contrapose.markdown_table import markdown_table
from studies.methods_causes import section
from studies.methods_claims import CLAIMS, is_lost_in_correction, judged, numbers, unlike_rates
from studies.methods_figure import FIGURE
from studies.methods_plan import CHOSEN, PAPER, SETTINGS
from studies.methods_settings import LEARNING_RATE, without_recipe
from studies.methods_summary import YEARS
from studies.methods_tables import (
    COLUMNS,
    costs,
    digits_of,
    geometry_table,
    in_short,
    is_reconstruction,
    methods_table,
    spread,
)
from studies.study import TrialRow

PAGE = "methods-measured.md"
ARMS = {PAPER: "with each paper's hyperparameters", CHOSEN: "with the best of four settings"}


def page(
    report: Mapping[str, Any] | None,
    overhead: Mapping[str, Any] | None = None,
    ingredients: Mapping[str, Sequence[TrialRow]] = MappingProxyType({}),
) -> str:
    """The whole page. overhead: rows of ``python -m benchmarks.overhead``; ingredients: start -> rows of that study."""
    lines = [
        "# All methods, measured",
        "",
        "Every method from the same start, on the same sentences in the same order, for the same number of steps. The",
        "learning rate and the other hyperparameters are not the same: they are each paper's, or the best of four",
        "settings for each method. Made by `make methods-table` (hours; it can be stopped and given again) and",
        "`make docs`.",
        "",
    ]
    if report is None:
        return "\n".join([*lines, "Not measured yet.", *costs(overhead)]) + "\n"
    one = next(iter(report["starts"].values()))
    lines += [
        f"A run trains {one['steps']} steps of {one['batch_size']} sentences of Wikipedia. Its last step is judged:",
        "nothing is chosen along the way, and nothing is blended with the start. Mean ± standard deviation over seeds.",
        "The difference to SimCSE is that of equal seeds, which draw the same sentences; its 95% interval is over test",
        "rows and seeds, that of alignment and uniformity over seeds alone. How far seeds scatter is learned from all",
        "methods together, each drawn towards the others (moderated variances, Smyth 2004), since two or three seeds",
        "alone say little about it. A difference is called clear where the interval leaves out zero and the p-value,",
        "corrected for all methods (Holm), is at most 0.05. Transfer is of seed 0 alone.",
        f"Measured {when(report)}, {_versions(report)}.",
        "",
        "Mean STS is the mean over STS12-16, STS-B and SICK-R (Spearman, times 100); docstrings: MRR@10 of",
        "finding the description for the first line of a docstring; transfer: mean accuracy of classifiers on frozen",
        "vectors; alignment: how far apart pairs of STS-B lie that mean the same; uniformity: how unevenly all its",
        "sentences lie (of both, less is better); first loss: that of a run's first step; t: the temperature.",
        "",
        "A reconstruction is a method whose own formulas or code could not be had, or that was made for pictures: what",
        "is said of it here is said of the reconstruction. `cards` runs without its switch-case views, since the",
        "tokenizer of the starts knows no case. The generator of `diffcse`, the teacher of `kdmcse` and the earlier",
        "model of `pnr` are the start itself. With its paper's hyperparameters the two further networks of `diffcse`",
        "computed in fp32; today they compute in the run's precision.",
        "",
        f"![Differences to SimCSE]({FIGURE})",
    ]
    for start in report["starts"].values():
        lines += ["", *_start(start), *section(ingredients.get(start["model"], ()), start["model"])]
    return "\n".join([*lines, *costs(overhead)]) + "\n"


def measured_of(report: Mapping[str, Any] | None, method: str) -> list[str]:
    """What the page of one method says of it: its rows of all tables, or why there is none."""
    if report is None:
        return []
    lines: list[str] = []
    for start in report["starts"].values():
        for arm, words in ARMS.items():
            table = start["arms"].get(arm)
            if table is None:
                continue
            if method in table["refused"] and arm == "paper":
                lines.append(f"- From {start['model']} it cannot be trained: {table['refused'][method]}")
            for row in table["rows"]:
                if row["method"] == method:
                    lines.append(f"- From {start['model']}, {words}: {_said(row, table, arm)}")
    return lines


def when(report: Mapping[str, Any]) -> str:
    """The first and the last day of all runs."""
    days = sorted({day for start in report["starts"].values() for day in start["measured"]})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "never"


def _versions(report: Mapping[str, Any]) -> str:
    """That of torch, and of every package that runs were not measured with the same version of."""
    found: dict[str, dict[str, None]] = {"torch": {}}
    for start in report["starts"].values():
        for name, versions in start["versions"].items():
            found.setdefault(name, {}).update(dict.fromkeys(versions))
    return ", ".join(
        f"{name} {' and '.join(versions)}"
        for name, versions in found.items()
        if name == "torch" or len(versions) > 1
    )


def _said(row: Mapping[str, Any], table: Mapping[str, Any], arm: str) -> str:
    mean = row["values"][table["main"]]
    said = f"mean STS {spread(mean)} ({_count(mean['seeds'], 'seed')})"
    if (change := row["differences"].get(table["main"])) is not None:
        said += f", beside SimCSE {numbers(change).strip('()')}: {change['words']}"
        if is_lost_in_correction(change):
            said += " (of so many methods one may differ as much by chance)"
        if arm != CHOSEN and (other := unlike_rates(table, row["method"])):
            said += f", {other}"
    return f"{said}."


def _start(start: Mapping[str, Any]) -> Iterator[str]:
    yield f"## From `{start['model']}`"
    if start["untrained"]:
        yield from ("", _untrained(start["untrained"]))
    if not any(table["rows"] for table in start["arms"].values()):
        yield from ("", "Not measured yet.")
        return
    if short := list(in_short(start, ARMS)):
        yield from ("", *short)
    for arm, table in start["arms"].items():
        if table["rows"] or table["choices"]:
            yield from ("", f"### {_sentence(ARMS[arm])}", "", _about(arm, table))
        if table["rows"]:
            yield from ("", *methods_table(table, tuned=arm == CHOSEN))
        left_out = [f"- `{name}`: {reason}" for name, reason in table["refused"].items()]
        left_out += [f"- `{name}`: {'; '.join(seeds)}" for name, seeds in table["failed"].items()]
        yield from ["", *left_out] if left_out else []
    yield from _claims(start)
    yield from geometry_table(start, ARMS)
    yield from ("", f"{start['seconds'] / 3600:.1f} hours of one process in all.")


def _about(arm: str, table: Mapping[str, Any]) -> str:
    """What the hyperparameters of an arm are."""
    if arm != CHOSEN:
        names = ", ".join(f"`{name}`" for name in without_recipe())
        return (
            f"Those for BERT-base. The papers of {names} give none for it; these methods have a learning rate of "
            f"{LEARNING_RATE:g} and their defaults."
        )
    settings = "; ".join(f"{rate:g}, t {temperature:g}" for rate, temperature in SETTINGS)
    counts = Counter(tuple(setting) for setting in table["choices"].values())
    chosen = "; ".join(
        f"{rate:g}, t {temperature:g} for {_count(counts[rate, temperature], 'method')}"
        for rate, temperature in SETTINGS
        if counts[rate, temperature]
    )
    return (
        f"Of each method the best on STS-B's development split, by seed 0, of these learning rates and temperatures "
        f"(t): {settings}. Chosen so far: {chosen or 'none'}."
    )


def _claims(start: Mapping[str, Any]) -> Iterator[str]:
    """One line for each claim, with what every arm says of it."""
    said = {arm: judged(table, tuned=arm == CHOSEN) for arm, table in start["arms"].items() if table["rows"]}
    claims = [claim for claim in CLAIMS if any(claim in of_arm for of_arm in said.values())]
    if not claims:
        return
    yield from ("", f"### What the papers claim, after {start['steps']} steps", "")
    yield "A verdict depends on the learning rate and the temperature, so each is said with the settings it was found"
    yield "by. It is about so short a training: the papers train for thousands of steps."
    yield ""
    rows = []
    for claim in claims:
        source = f"{claim.source}; a reconstruction here" if is_reconstruction(claim.method) else claim.source
        arms = [said.get(arm, {}).get(claim, "not measured yet") for arm in start["arms"]]
        rows.append([f"{_sentence(claim.words)} ({source})", *arms])
    yield from markdown_table(["claim", *(ARMS[arm] for arm in start["arms"])], rows)


def _untrained(values: Mapping[str, Any]) -> str:
    """The start as it is, by the columns of the tables, of those that were measured."""
    means = {"mean STS": (*YEARS, "STS-B", "SICK-R"), "STS12-16": YEARS, "STS-B dev": ("dev",)}
    named = {**means, **{title: (column,) for column, title in COLUMNS.items()}}
    said = [
        f"{title} {sum(values[name] for name in names) / len(names):.{digits_of(names[0])}f}"
        for title, names in named.items()
        if all(values.get(name) is not None for name in names)
    ]
    return f"Before training: {', '.join(said)}."


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
