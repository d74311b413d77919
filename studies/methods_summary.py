"""What the ledgers of the table of methods hold, as plain data: one line for what is common, then one for each row.

first line    {"starts": {name: {"model": ..., "measured": [first day, last day], "arms": {arm: {"main": ..., ...}}}}}
other lines   {"start": name, "arm": name, "row": {"method": ..., "values": ..., "differences": ...}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contrapose.evaluate.seed_noise import SharedNoise, shared_noise
from contrapose.evaluate.statistics import holm
from contrapose.experiment.comparison_table import ComparisonRow, ComparisonTable, comparison_table
from contrapose.experiment.differences import Difference
from contrapose.experiment.trials import Trials
from contrapose.ledger import Entry
from studies.methods_plan import CHOSEN, PAPER, Start, methods
from studies.methods_settings import setting_of

BASELINE = "simcse"
#: What claims are about besides the differences to SimCSE: (method, beside).
PAIRS = (("hncse", "hncse-pm"), ("hncse", "hncse-hnm"))
#: The tasks of the mean that papers give most often.
YEARS = ("STS12", "STS13", "STS14", "STS15", "STS16")


def write(starts: Sequence[Start], path: Path) -> None:
    """What has been measured so far of each start."""
    whole = {start.name: summary(start) for start in starts}
    rows = [
        {"start": name, "arm": arm, "row": row}
        for name, start in whole.items()
        for arm, table in start["arms"].items()
        for row in table["rows"]
    ]
    without = {
        name: {**start, "arms": {arm: {**table, "rows": []} for arm, table in start["arms"].items()}}
        for name, start in whole.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(line) for line in ({"starts": without}, *rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def read(path: Path) -> dict[str, Any] | None:
    """What :func:`write` wrote, the rows in their tables; None where there is no file."""
    if not path.exists():
        return None
    first, *others = map(json.loads, path.read_text("utf-8").splitlines())
    report: dict[str, Any] = first
    for line in others:
        report["starts"][line["start"]]["arms"][line["arm"]]["rows"].append(line["row"])
    return report


def summary(start: Start) -> dict[str, Any]:
    """What a start's ledger holds, as plain data: the model before training, and a table for each arm."""
    trials = Trials(start.folder, experiment="methods")
    rows = trials.rows()
    untrained = rows.get(start.planned()[0].key)
    arms = {}
    for arm, groups in _arms(start, rows).items():
        known = {name: entries for name, entries in groups.items() if any(e.body["values"] for e in entries)}
        table = (
            comparison_table(trials.ledger, known, BASELINE, paired_seeds=True, pairs=PAIRS)
            if BASELINE in known
            else None
        )
        arms[arm] = {
            "rows": [] if table is None else list(_rows(table, groups)),
            "refused": {name: why for name, each in groups.items() if (why := _refused(each))},
            "failed": {name: failed for name, each in groups.items() if (failed := _failed(each))},
            "choices": {} if arm == PAPER else _choices(start, rows),
            "columns": [] if table is None else {name: list(tasks) for name, tasks in table.columns.items()},
            "main": None if table is None else table.main,
            "pairs": [] if table is None else list(_pairs(table)),
        }
    entries = list(rows.values())
    days = sorted(entry.time.partition("T")[0] for entry in entries)
    return {
        "model": start.name,
        "steps": start.steps,
        "batch_size": start.batch_size,
        "untrained": None if untrained is None else _values(untrained),
        "arms": arms,
        "measured": [] if not days else [days[0], days[-1]],
        "versions": _versions(entries),
        "seconds": round(sum(float(entry.body["seconds"]) for entry in entries)),
    }


def _refused(entries: Sequence[Entry]) -> str | None:
    """Why the start cannot serve a method."""
    return next((each.body["facts"]["refused"] for each in entries if "refused" in each.body["facts"]), None)


def _failed(entries: Sequence[Entry]) -> list[str]:
    """The runs that diverged, a line each."""
    return [
        f"seed {entry.body['factors']['seed']}: {entry.body['facts']['failed']}"
        for entry in entries
        if "failed" in entry.body["facts"]
    ]


def _choices(start: Start, rows: Mapping[str, Entry]) -> dict[str, tuple[float, float]]:
    """Method -> the setting that was chosen for it, of those whose settings are all measured."""
    return {name: best for name in methods() if (best := start.best(name, rows)) is not None}


def _versions(entries: Sequence[Entry]) -> dict[str, list[str]]:
    """Package -> all versions that runs were measured with."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        for name, version in entry.body["versions"].items():
            found.setdefault(name, set()).add(version)
    return {name: sorted(versions) for name, versions in found.items()}


def _arms(start: Start, rows: Mapping[str, Entry]) -> dict[str, dict[str, list[Entry]]]:
    """Arm -> method -> its measured runs, by seed."""
    wanted = {
        PAPER: {
            name: [start.run(name, PAPER, seed) for seed in range(start.seeds_of(name))] for name in methods()
        }
    }
    if start.chosen:
        wanted[CHOSEN] = {
            name: [start.run(name, CHOSEN, seed, **best) for seed in range(start.seeds)]
            for name in methods()
            if (best := start.choice(name, rows)) is not None
        }
    return {
        arm: {
            name: measured
            for name, trials in by_name.items()
            if (measured := [rows[trial.key] for trial in trials if trial.key in rows])
        }
        for arm, by_name in wanted.items()
    }


def _pairs(table: ComparisonTable) -> Iterator[dict[str, Any]]:
    """The differences that a claim is about and that are not differences to SimCSE."""
    for (method, beside), change in table.pairs.items():
        yield {"method": method, "beside": beside, **_change(change)}


def _rows(table: ComparisonTable, groups: Mapping[str, Sequence[Entry]]) -> Iterator[dict[str, Any]]:
    """The methods, each with its differences to SimCSE."""
    over_seeds = _over_seeds(table)
    for row in table.rows:
        of_seeds = {column: tests[row.name] for column, tests in over_seeds.items() if row.name in tests}
        changes = {column: _change(change) for column, change in row.changes.items()}
        yield {**_numbers(row, groups[row.name]), "differences": {**of_seeds, **changes}}


def _numbers(row: ComparisonRow, entries: Sequence[Entry]) -> dict[str, Any]:
    """A method: what it was trained with, and its numbers."""
    rate, temperature = setting_of(entries[0].body["options"])
    losses = [entry.body["facts"]["loss"] for entry in entries if entry.body["facts"].get("loss")]
    return {
        "method": row.name,
        "seeds": list(row.seeds),
        "learning_rate": rate,
        "temperature": temperature,
        "loss": losses[0] if losses else None,
        "seconds": round(sum(float(entry.body["seconds"]) for entry in entries)),
        "values": {
            column: {
                "mean": round(spread.mean, 3),
                "sd": None if spread.std is None else round(spread.std, 3),
                "seeds": spread.seeds,
            }
            for column, spread in row.spreads.items()
        },
        "years": _mean_of_years(row),
    }


def _over_seeds(table: ComparisonTable) -> dict[str, dict[str, dict[str, Any]]]:
    """Column -> method -> difference, of columns that are not made of rows, such as uniformity: that of equal seeds.
    Its noise is learned from all methods, and its p-value is corrected for all of them."""
    baseline, others = table.of(table.baseline), [row for row in table.rows if row.name != table.baseline]
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for column in baseline.values:
        before = _by_seed(baseline, column)
        differences = {
            row.name: [
                value - before[seed] for seed, value in _by_seed(row, column).items() if seed in before
            ]
            for row in others
        }
        differences = {name: each for name, each in differences.items() if each}
        noise = shared_noise(differences.values())
        if noise is not None and noise.variance:
            found[column] = _tested(differences, noise)
    return found


def _by_seed(row: ComparisonRow, column: str) -> dict[int | None, float]:
    """Seed -> the number of its run, where it has one."""
    return {
        seed: value for seed, value in zip(row.seeds, row.values[column], strict=True) if value is not None
    }


def _tested(differences: Mapping[str, Sequence[float]], noise: SharedNoise) -> dict[str, dict[str, Any]]:
    """Student's t of each method's mean difference."""
    from scipy.stats import t

    errors = {name: noise.moderated(each) for name, each in differences.items()}
    means = {name: sum(each) / len(each) for name, each in differences.items()}
    p_values = holm(
        [2 * float(t.sf(abs(means[name]) / error, freedom)) for name, (error, freedom) in errors.items()]
    )
    reaches = {name: error * float(t.ppf(0.975, freedom)) for name, (error, freedom) in errors.items()}
    return {
        name: {
            "difference": round(means[name], 3),
            "low": round(means[name] - reaches[name], 3),
            "high": round(means[name] + reaches[name], 3),
            "p_corrected": round(corrected, 5),
            "words": "",
            "seeds": len(differences[name]),
            "seed_error": round(errors[name][0], 4),
        }
        for name, corrected in zip(differences, p_values, strict=True)
    }


def _change(change: Difference) -> dict[str, Any]:
    test = change.change
    numbers = {name: round(getattr(test, name), 3) for name in ("difference", "low", "high")}
    error = test.seed_error
    return {
        **numbers,
        "p_corrected": round(change.p_corrected, 5),
        "words": f"{change.words} on these rows, with one seed" if error is None else change.words,
        "seeds": min(test.seeds),
        "seed_error": None if error is None else round(error, 4),
    }


def _mean_of_years(row: ComparisonRow) -> float | None:
    means = [row.spreads[year].mean for year in YEARS if year in row.spreads]
    return round(sum(means) / len(YEARS), 3) if len(means) == len(YEARS) else None


def _values(entry: Entry) -> dict[str, float | None]:
    values = entry.body["values"]
    numbers = {name: value["value"] for name, value in values.items()}
    return {**numbers, "dev": entry.body["facts"].get("dev")}
