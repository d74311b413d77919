"""``make methods-table``: every method from a start that no contrast has trained, and from minilm; as a table.

    python -m studies.methods_table --wiki wiki.txt.gz --senteval SENTEVAL --start FOLDER [--out runs/methods]
    python -m studies.methods_table --out runs/methods --summary docs/results/methods.json

The first command measures what is not measured yet, and can be stopped and given again at any time, in the middle of a
training too; several processes may be given it at once. It uses the GPU where there is one. The second one writes what
there is so far as plain data; ``make docs`` makes the page docs/methods-measured.md of it.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contrapose.experiment.comparison_table import ComparisonRow, ComparisonTable, comparison_table
from contrapose.experiment.measuring import UNTRAINED
from contrapose.experiment.trials import Trial, Trials
from contrapose.ledger import Entry
from studies.methods_page import YEARS
from studies.methods_plan import CHOSEN, PAPER, Start, methods

BASELINE = "simcse"
#: Starts by name: the second start, and the model that contrast has trained already, with fewer seeds.
SECOND, FIRST = "minilm-mlm", "minilm"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wiki", help="sentences to train on, one per line")
    parser.add_argument("--senteval", help="SentEval's folder")
    parser.add_argument("--start", help="folder of the second start, as `contrapose pretrain` makes it")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument(
        "--summary", type=Path, help="write what was measured as JSON, and measure nothing more"
    )
    parser.add_argument("--only", help="methods to measure now, with commas between them")
    given = parser.parse_args(arguments)
    if given.summary is None:
        if not (given.wiki and given.senteval and given.start):
            parser.error("give --wiki, --senteval and --start, or --summary FILE")
        for start in starts(given.wiki, given.senteval, given.start, given.out):
            measure(start, set(given.only.split(",")) if given.only else None)
        return
    plans = json.loads((given.out / "starts.json").read_text("utf-8"))
    report = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "starts": {name: summary(Start(**plan, out=given.out)) for name, plan in plans.items()},
    }
    given.summary.parent.mkdir(parents=True, exist_ok=True)
    given.summary.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def starts(wiki: str, senteval: str, second: str, out: Path) -> list[Start]:
    """The second start with all seeds and choices, minilm with one seed (three for the five); noted in OUT."""
    made = [
        Start(name=SECOND, model=second, corpus=wiki, senteval=senteval, out=out),
        Start(
            name=FIRST,
            model=FIRST,
            corpus=wiki,
            senteval=senteval,
            out=out,
            seeds=1,
            seeds_of_five=3,
            chosen=False,
        ),
    ]
    plans = {
        start.name: {name: value for name, value in asdict(start).items() if name != "out"} for start in made
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "starts.json").write_text(json.dumps(plans, indent=1) + "\n", "utf-8")
    return made


def measure(start: Start, only: set[str] | None = None) -> None:
    """All that is planned, then what its results choose."""
    from contrapose.cli.trials_view import TrialsView, watching

    trials = Trials(start.folder, experiment="methods")
    with watching(start.folder, TrialsView(score=_score)) as view:

        def run(wanted: Sequence[Trial]) -> None:
            asked = [
                trial for trial in wanted if only is None or trial.options["method"] in {*only, UNTRAINED}
            ]
            trials.run(asked, lambda trial, folder: start.measure(trial, folder, view), view)

        run(start.planned())
        run(start.chosen_runs(trials.rows()))


def _score(row: Mapping[str, Any]) -> str:
    """What the line of a finished run says of it."""
    facts = row["facts"]
    return (
        f"not for this start: {facts['refused']}" if "refused" in facts else f"STS-B dev {facts['dev']:.2f}"
    )


def summary(start: Start) -> dict[str, Any]:
    """What a start's ledger holds, as plain data: the model before training, and a table for each arm."""
    trials = Trials(start.folder, experiment="methods")
    rows = trials.rows()
    untrained = rows.get(start.planned()[0].key)
    arms = {}
    for arm, groups in _arms(start, rows).items():
        known = {name: entries for name, entries in groups.items() if any(e.body["values"] for e in entries)}
        table = (
            comparison_table(trials.ledger, known, BASELINE, paired_seeds=True) if BASELINE in known else None
        )
        refused = {
            name: entries[0].body["facts"]["refused"]
            for name, entries in groups.items()
            if entries and "refused" in entries[0].body["facts"]
        }
        arms[arm] = {
            "rows": [] if table is None else [_row(row, groups[row.name], table) for row in table.rows],
            "refused": refused,
            "columns": [] if table is None else {name: list(tasks) for name, tasks in table.columns.items()},
            "main": None if table is None else table.main,
            "pairs": [] if table is None else list(_pairs(trials, known)),
        }
    return {
        "model": start.name,
        "steps": start.steps,
        "batch_size": start.batch_size,
        "untrained": None if untrained is None else _values(untrained),
        "arms": arms,
        "versions": {} if untrained is None else untrained.body["versions"],
        "seconds": round(sum(float(entry.body["seconds"]) for entry in rows.values())),
    }


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


def _pairs(trials: Trials, groups: Mapping[str, Sequence[Entry]]) -> Iterator[dict[str, Any]]:
    """The differences that a claim is about and that are not differences to SimCSE."""
    for part in ("hncse-pm", "hncse-hnm"):
        if part in groups and "hncse" in groups:
            both = {name: groups[name] for name in (part, "hncse")}
            table = comparison_table(trials.ledger, both, part, main_only=True, paired_seeds=True)
            change = table.of("hncse").changes.get(table.main)
            if change is not None:
                yield {"method": "hncse", "beside": part, **_change(change)}


def _row(row: ComparisonRow, entries: Sequence[Entry], table: ComparisonTable) -> dict[str, Any]:
    """A method: what it was trained with, its numbers, and their differences to SimCSE."""
    options = entries[0].body["options"]
    losses = [entry.body["facts"]["loss"] for entry in entries if entry.body["facts"].get("loss")]
    return {
        "method": row.name,
        "seeds": list(row.seeds),
        "learning_rate": options["learning_rate"],
        "temperature": options.get("temperature"),
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
        "differences": {
            **_over_seeds(row, table.of(table.baseline)),
            **{column: _change(change) for column, change in row.changes.items()},
        },
    }


def _over_seeds(row: ComparisonRow, baseline: ComparisonRow) -> dict[str, dict[str, Any]]:
    """Of columns that are not made of rows, such as uniformity: the differences of equal seeds, and Student's t."""
    from scipy import stats

    differences: dict[str, dict[str, Any]] = {}
    for column, values in row.values.items():
        pairs = zip(values, baseline.values.get(column, ()), strict=False)
        each = [one - other for one, other in pairs if one is not None and other is not None]
        if row.name == baseline.name or len(each) < 2 or len(set(each)) < 2:
            continue
        mean, error = sum(each) / len(each), float(stats.sem(each))
        low, high = stats.t.interval(0.95, len(each) - 1, loc=mean, scale=error)
        p_value = float(stats.ttest_1samp(each, 0.0).pvalue)
        differences[column] = {
            "difference": round(mean, 3),
            "low": round(float(low), 3),
            "high": round(float(high), 3),
            "p_corrected": round(p_value, 5),
            "words": "",
            "seeds": len(each),
        }
    return differences


def _change(change: Any) -> dict[str, Any]:
    test = change.change
    numbers = {name: round(getattr(test, name), 3) for name in ("difference", "low", "high")}
    seeds = min(test.seeds)
    words = f"{change.words} on these rows, with one seed" if seeds == 1 else change.words
    return {**numbers, "p_corrected": round(change.p_corrected, 5), "words": words, "seeds": seeds}


def _mean_of_years(row: ComparisonRow) -> float | None:
    means = [row.spreads[year].mean for year in YEARS if year in row.spreads]
    return round(sum(means) / len(YEARS), 3) if len(means) == len(YEARS) else None


def _values(entry: Entry) -> dict[str, float | None]:
    values = entry.body["values"]
    numbers = {name: value["value"] for name, value in values.items()}
    return {**numbers, "dev": entry.body["facts"].get("dev")}


if __name__ == "__main__":
    main()
