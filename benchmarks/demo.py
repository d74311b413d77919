"""The demo with several seeds, and what it showed as a table.

    python -m benchmarks.demo --seeds 0,1,2 [--method hncse-hnm] --results FILE
    python -m benchmarks.demo --table FILE

Every run is a line of JSON in FILE; one that is there is not done again. The folder of a run is temporary.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.quality import read
from contrapose.markdown_table import markdown_table

STAGES = {"before": "before", "sentences": "sentences alone", "pairs": "natural pairs"}
TASKS = {"description": "first line → description", "name": "name → first line"}
METRICS = {"mrr_at_10": "MRR@10", "accuracy_at_1": "accuracy@1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--method", default="hncse-hnm")
    parser.add_argument("--results", type=Path, default=Path("docs/results/demo.jsonl"))
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    if given.table:
        print(table(read(given.table)))
        return
    given.results.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["method"], row["seed"]) for row in read(given.results)}
    for seed in map(int, given.seeds.split(",")):
        if (given.method, seed) not in done:
            row = measure(given.method, seed)
            with given.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(given.method, seed, row["stages"], flush=True)


def measure(method: str, seed: int) -> dict[str, Any]:
    from contrapose.cli.demo import run_demo
    from contrapose.cli.demo_view import DemoView

    with tempfile.TemporaryDirectory() as parent, DemoView(lines=True) as view:
        result = run_demo(str(Path(parent) / "demo"), method=method, seed=seed, view=view)
    return {
        "method": method,
        "seed": seed,
        "steps": result["settings"]["steps"],
        "learning_rate": result["settings"]["learning_rate"],
        "training_sentences": result["training_sentences"],
        "training_pairs": result["training_pairs"],
        "seconds": round(result["seconds"]),
        "stages": {
            stage["stage"]: {
                task: {
                    "questions": stage[task]["questions"],
                    **{
                        metric: {
                            key: round(value, 4)
                            for key, value in stage[task][metric].items()
                            if key != "vs_before"
                        }
                        for metric in METRICS
                    },
                }
                for task in TASKS
            }
            for stage in result["stages"]
        },
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Per method and stage the mean over seeds ± standard deviation; at the start the interval over questions."""
    if not rows:
        return ""
    heads = [f"{task}: {metric}" for task in TASKS.values() for metric in METRICS.values()]
    by_method: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_method[row["method"]].append(row)
    at_start = [_interval(rows[0], task, metric) for task in TASKS for metric in METRICS]
    lines = [["nothing yet", "", "", *at_start]]
    for stage in ("sentences", "pairs"):
        for method, runs in by_method.items():
            cells = [
                _spread([run["stages"][stage][task][metric]["value"] for run in runs])
                for task in TASKS
                for metric in METRICS
            ]
            lines.append([STAGES[stage], f"`{method}`", str(len(runs)), *cells])
    return "\n".join(markdown_table(["trained on", "method", "seeds", *heads], lines))


def _interval(row: dict[str, Any], task: str, metric: str) -> str:
    score = row["stages"]["before"][task][metric]
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
