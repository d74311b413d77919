"""The tables of docs/methods-measured.md, one line for each method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contrapose.markdown_table import markdown_table
from studies.methods_claims import GEOMETRY, is_lost_in_correction, numbers, unlike_rates
from studies.methods_plan import CHOSEN

#: Column of the summary -> what stands above it. The main one comes first, by whatever name.
COLUMNS = {
    "STS-B": "STS-B",
    "SICK-R": "SICK-R",
    "docstrings": "docstrings",
    "geometry": "alignment",
    "geometry uniformity": "uniformity",
}
TRANSFER = "mean, senteval-transfer-fast"
#: A method's claim is about its geometry.
FOCAL = "focal-infonce"


def methods_table(table: Mapping[str, Any], *, tuned: bool) -> list[str]:
    """Every method of an arm, the best mean first. tuned: the learning rates were chosen by the same effort."""
    header = [
        "method", "seeds", "learning rate", "mean STS", "beside SimCSE", "verdict", "STS12-16", *COLUMNS.values(),
        "transfer", "first loss",
    ]  # fmt: skip
    rows = []
    for row in best_first(table):
        change = row["differences"].get(table["main"])
        temperature = "" if row["temperature"] is None else f", t {row['temperature']:g}"
        rows.append(
            [
                named(row["method"]) + (" (reconstruction)" if is_reconstruction(row["method"]) else ""),
                str(row["values"][table["main"]]["seeds"]),
                f"{row['learning_rate']:g}{temperature}",
                spread(row["values"].get(table["main"])),
                numbers(change).strip("()") if change else "",
                in_words(table, row, tuned=tuned) if change else "",
                "–" if row["years"] is None else f"{row['years']:.2f}",
                *(spread(row["values"].get(column), digits_of(column)) for column in COLUMNS),
                spread(row["values"].get(TRANSFER)),
                f"{row['loss'][0]:.2g}" if row["loss"] else "–",
            ]
        )
    return markdown_table(header, rows)


def in_short(start: Mapping[str, Any], arms: Mapping[str, str]) -> Iterator[str]:
    """For each arm, which methods are clearly above SimCSE and how many below; nothing where no row was compared."""
    for arm, words in arms.items():
        table = start["arms"].get(arm)
        rows = [] if table is None else best_first(table)
        said = {
            row["method"]: in_words(table, row, tuned=arm == CHOSEN) for row in rows if row["differences"]
        }
        if table is None or not said:
            continue
        mean = next(row["values"][table["main"]]["mean"] for row in rows if row["method"] == "simcse")
        better = [name for name, word in said.items() if word == "better"]
        above = ", ".join(f"`{name}`" for name in better) or "none"
        worse = sum(word == "worse" for word in said.values())
        line = (
            f"- {words[0].upper()}{words[1:]} SimCSE has {mean:.2f}. Clearly above it: {above}. Clearly below it: "
            f"{worse or 'none'} of {len(said)} methods"
        )
        if single := sum("with one seed" in word for word in said.values()):
            line += f"; one seed alone makes nothing clear, and {single} of them have one"
        differences = [row["differences"][table["main"]] for row in rows if row["differences"]]
        if unclear := sum(map(is_lost_in_correction, differences)):
            line += (
                f"; of {unclear} more the interval leaves out zero, but among so many methods, with so few seeds, that "
                "is not clear"
            )
        if unlike := sum("at another learning rate" in word for word in said.values()):
            line += f"; {unlike} had another learning rate than SimCSE, which says little of them"
        yield f"{line}."


def in_words(table: Mapping[str, Any], row: Mapping[str, Any], *, tuned: bool) -> str:
    """What the difference to SimCSE says; with another learning rate it says little of the method."""
    words: str = row["differences"][table["main"]]["words"]
    other = "" if tuned else unlike_rates(table, row["method"])
    return f"{words}, at another learning rate" if other else words


def geometry_table(start: Mapping[str, Any], arms: Mapping[str, str]) -> Iterator[str]:
    """Focal-InfoNCE beside SimCSE: alignment and uniformity on STS-B, lower is better; nothing where it was not run."""
    rows = []
    for arm, words in arms.items():
        table = start["arms"].get(arm)
        by_name = {} if table is None else {row["method"]: row for row in table["rows"]}
        for column in GEOMETRY if {"simcse", FOCAL} <= set(by_name) else ():
            values = [spread(by_name[name]["values"].get(column), 3) for name in ("simcse", FOCAL)]
            change = by_name[FOCAL]["differences"].get(column)
            before = (start["untrained"] or {}).get(column)
            rows.append(
                [
                    words,
                    COLUMNS[column],
                    "–" if before is None else f"{before:.3f}",
                    *values,
                    numbers(change, 3).strip("()") if change else "–",
                ]
            )
    if rows:
        yield from ("", "### Focal-InfoNCE beside SimCSE: alignment and uniformity", "")
        yield from ("On STS-B's test split; lower is better for both, and the interval is over seeds.", "")
        yield from markdown_table(
            ["hyperparameters", "measure", "before training", "SimCSE", "Focal-InfoNCE", "difference"], rows
        )


def costs(overhead: Mapping[str, Any] | None) -> Iterator[str]:
    """The loss alone and the whole step of every method, as multiples of SimCSE's."""
    if overhead is None:
        return
    machine = ", ".join(f"{name} {value}" for name, value in overhead["machine"].items())
    yield from ("", "## What a step costs", "")
    yield f"Seconds as a multiple of SimCSE's, in turns on one machine ({machine}), from {overhead['model']}: the loss"
    yield "alone with its gradient, on 64 vectors of 384 numbers, and a whole step of training on 64 sentences"
    yield "(`python -m benchmarks.overhead --model FOLDER`). What a method does before the run, or every so many steps,"
    yield "is in neither: the search for neighbours of `cards`, the clusters of `ifnd`, what `debcse` counts."
    yield ""
    rows = [
        (named(name), f"{ratio:.2f}", f"{overhead['step'][name]:.2f}" if name in overhead["step"] else "–")
        for name, ratio in overhead["loss"].items()
    ]
    yield from markdown_table(["method", "loss alone", "whole step"], rows, numbers=2)


def best_first(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of an arm, the best mean first; those without one last."""
    rows: Sequence[Mapping[str, Any]] = table["rows"]
    return sorted(rows, key=lambda row: -row["values"].get(table["main"], {"mean": -1e9})["mean"])


def is_reconstruction(method: str) -> bool:
    """Whether the paper's own formulas or code could not be had.

    >>> is_reconstruction("twins"), is_reconstruction("simcse")
    (True, False)
    """
    from contrapose.objectives.catalogue import recipe

    return any(said.startswith("a reconstruction") for said in recipe(method).method.departures)


def named(method: str) -> str:
    return f"[`{method}`](methods/{method}.md)"


def digits_of(column: str) -> int:
    return 3 if column in GEOMETRY else 2


def spread(value: Mapping[str, Any] | None, digits: int = 2) -> str:
    """Mean and standard deviation over seeds.

    >>> spread({"mean": 0.2431, "sd": 0.0021}, 3), spread({"mean": 70.0, "sd": None}), spread(None)
    ('0.243 ± 0.002', '70.00', '–')
    """
    if value is None:
        return "–"
    mean = f"{value['mean']:.{digits}f}"
    return mean if value["sd"] is None else f"{mean} ± {value['sd']:.{digits}f}"
