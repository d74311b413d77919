"""docs/methods-measured.md: the table of methods as a page, made from docs/results/methods.jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contrapose.markdown_table import markdown_table
from studies.methods_claims import judged
from studies.methods_summary import YEARS
from studies.study import Marks, Panel

PAGE, FIGURE = "methods-measured.md", "figures/methods-measured.svg"
#: Column of the summary -> what stands above it. The main one comes first, by whatever name.
COLUMNS = {
    "STS-B": "STS-B",
    "SICK-R": "SICK-R",
    "docstrings": "docstrings",
    "geometry": "alignment",
    "geometry uniformity": "uniformity",
}
TRANSFER = "mean, senteval-transfer-fast"
ARMS = {
    "paper": "with each paper's hyperparameters",
    "chosen": "with the best of four settings, chosen on STS-B's development split",
}


def page(report: Mapping[str, Any] | None, overhead: Mapping[str, Any] | None = None) -> str:
    """The whole page; overhead: what ``python -m benchmarks.overhead`` measured."""
    lines = [
        "# All methods, measured",
        "",
        "Every method under the same conditions: the same start, the same sentences in the same order, the same number",
        "of steps. Made by `make methods-table` (hours; it can be stopped and given again) and `make docs`.",
        "",
    ]
    if report is None:
        return "\n".join([*lines, "Not measured yet.", *_costs(overhead)]) + "\n"
    one = next(iter(report["starts"].values()))
    lines += [
        f"A run trains {one['steps']} steps of {one['batch_size']} sentences of Wikipedia. Its last step is judged:",
        "nothing is chosen along the way, and nothing is blended with the start. Mean ± standard deviation over seeds.",
        "The difference to SimCSE is that of equal seeds, which draw the same sentences; its 95% interval is over test",
        "rows and seeds. How far seeds scatter is learned from all methods together, each drawn towards the others",
        "(moderated variances, Smyth 2004), since two or three seeds alone say little about it. A difference is called",
        "clear where the interval leaves out zero and so does the p-value, corrected for all methods (Holm).",
        "Transfer is of seed 0 alone.",
        f"Measured {report['date']}, torch {one['versions'].get('torch', '?')}.",
        "",
        f"![Differences to SimCSE]({FIGURE})",
    ]
    for start in report["starts"].values():
        lines += ["", *_start(start)]
    return "\n".join([*lines, *_costs(overhead)]) + "\n"


def figure(report: Mapping[str, Any]) -> list[Panel]:
    """One panel for each start: the difference of every method to SimCSE, with its interval."""
    panels = []
    for start in report["starts"].values():
        names = [row["method"] for row in _sorted(start["arms"]["paper"]) if row["method"] != "simcse"]
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
        labels = list(start["arms"])
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
                    lines.append(f"- From {start['model']}, {words}: {_said(row, table)}")
    return lines


def _said(row: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    mean = row["values"][table["main"]]
    said = f"mean STS {_spread(mean)} ({_seeds(mean['seeds'])})"
    if (change := row["differences"].get(table["main"])) is not None:
        said += f", beside SimCSE {_difference(change)}: {change['words']}"
    return f"{said}."


def _start(start: Mapping[str, Any]) -> Iterator[str]:
    yield f"## From `{start['model']}`"
    if start["untrained"]:
        yield from ("", _untrained(start["untrained"]))
    if not any(table["rows"] for table in start["arms"].values()):
        yield from ("", "Not measured yet.")
        return
    for arm, table in start["arms"].items():
        if not table["rows"]:
            continue
        yield from ("", f"### {ARMS[arm].capitalize()}", "")
        yield from markdown_table(*_table(table))
        if table["refused"]:
            yield ""
            yield from (f"- `{name}`: {reason}" for name, reason in table["refused"].items())
        claims = list(judged(table))
        if claims:
            yield from ("", "What the papers claim:", "")
            yield from (f"- {claim.words} ({claim.source}): {words}" for claim, words in claims)
    yield from ("", f"{start['seconds'] / 3600:.1f} hours of one process in all.")


def _untrained(values: Mapping[str, Any]) -> str:
    """The start as it is, by the columns of the tables, of those that were measured."""
    means = {"mean STS": (*YEARS, "STS-B", "SICK-R"), "STS12-16": YEARS, "STS-B dev": ("dev",)}
    named = {**means, **{title: (column,) for column, title in COLUMNS.items()}}
    said = [
        f"{title} {sum(values[name] for name in names) / len(names):.2f}"
        for title, names in named.items()
        if all(values.get(name) is not None for name in names)
    ]
    return f"Before training: {', '.join(said)}."


def _table(table: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    header = [
        "method", "seeds", "learning rate", "mean STS", "beside SimCSE", "verdict", "STS12-16", *COLUMNS.values(),
        "transfer", "first loss",
    ]  # fmt: skip
    rows = []
    for row in _sorted(table):
        change = row["differences"].get(table["main"])
        cells = [_spread(row["values"].get(column)) for column in COLUMNS]
        temperature = "" if row["temperature"] is None else f", t {row['temperature']:g}"
        rows.append(
            [
                f"[`{row['method']}`](methods/{row['method']}.md)",
                str(row["values"][table["main"]]["seeds"]),
                f"{row['learning_rate']:g}{temperature}",
                _spread(row["values"][table["main"]]),
                _difference(change) if change else "",
                change["words"] if change else "",
                "–" if row["years"] is None else f"{row['years']:.2f}",
                *cells,
                _spread(row["values"].get(TRANSFER)),
                f"{row['loss'][0]:.2g}" if row["loss"] else "–",
            ]
        )
    return header, rows


def _sorted(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The best mean first."""
    rows: Sequence[Mapping[str, Any]] = table["rows"]
    return sorted(rows, key=lambda row: -row["values"][table["main"]]["mean"])


def _costs(overhead: Mapping[str, Any] | None) -> Iterator[str]:
    """The loss alone and the whole step of every method, as multiples of SimCSE's."""
    if overhead is None:
        return
    machine = ", ".join(f"{name} {value}" for name, value in overhead["machine"].items())
    yield from ("", "## What a step costs", "")
    yield f"Seconds as a multiple of SimCSE's, in turns on one machine ({machine}), from {overhead['model']}: the loss"
    yield "alone with its gradient, on 64 vectors of 384 numbers, and a whole step of training on 64 sentences"
    yield "(`python -m benchmarks.overhead --model FOLDER`)."
    yield ""
    rows = [
        (f"[`{name}`](methods/{name}.md)", f"{ratio:.2f}", f"{overhead['step'][name]:.2f}")
        if name in overhead["step"]
        else (f"[`{name}`](methods/{name}.md)", f"{ratio:.2f}", "–")
        for name, ratio in overhead["loss"].items()
    ]
    yield from markdown_table(["method", "loss alone", "whole step"], rows, numbers=2)


def _spread(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "–"
    return f"{value['mean']:.2f}" if value["sd"] is None else f"{value['mean']:.2f} ± {value['sd']:.2f}"


def _difference(change: Mapping[str, float]) -> str:
    return f"{change['difference']:+.2f} [{change['low']:+.2f}, {change['high']:+.2f}]"


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
