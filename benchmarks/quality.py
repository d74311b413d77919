"""Does it make the encoder better? Every method, several seeds, on real sentences, scored on STS.

    python -m benchmarks.quality CORPUS SENTEVAL --methods simcse,hncse-hnm --seeds 0,1,2 --results FILE
    python -m benchmarks.quality --table FILE            the Markdown table of what FILE holds

Each run is one line of JSON in FILE, with its whole configuration; a run that is there already is not done again, so
the command can be stopped and repeated, and several may work on different methods at once. No run is left out of the
table, and no seed is chosen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

METHODS = "simcse,focal-infonce,hncse-pm,hncse-hnm,hncse"
STS12_16 = ("STS12", "STS13", "STS14", "STS15", "STS16")
SETTINGS: dict[str, Any] = {"batch_size": 64, "learning_rate": 1e-5, "max_length": 32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("senteval", nargs="?")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--results", type=Path, default=Path("docs/results/quality.jsonl"))
    parser.add_argument("--precision", default="bf16", help="of the evaluation; fp32 differs by 0.02 at most")
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    if given.table:
        print(table(read(given.table)))
        return
    if not (given.corpus and given.senteval):
        parser.error("give a corpus and a SentEval folder, or --table FILE")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["model"], row["method"], row["seed"], row["steps"]) for row in read(given.results)}
    wanted = [("start", 0, 0)] + [
        (method, int(seed), given.steps)
        for seed in given.seeds.split(",")
        for method in given.methods.split(",")
    ]
    for method, seed, steps in wanted:
        if (given.model, method, seed, steps) not in done:
            row = measure(given, method, seed, steps)
            with given.results.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(method, seed, row["mean_sts12_16"], flush=True)


def measure(given: argparse.Namespace, method: str, seed: int, steps: int) -> dict[str, Any]:
    """Train once (the last step is taken: nothing is selected), and score the test splits."""
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.suite import evaluate
    from contrapose.train.api import train

    with tempfile.TemporaryDirectory() as out:
        if method == "start":
            encoder, about = Encoder.load(given.model), {}
        else:
            run = train(
                given.corpus,
                model=given.model,
                method=method,
                out=out,
                seed=seed,
                steps=steps,
                criterion="none",
                **SETTINGS,
            )
            encoder = run.encoder
            about = {
                key: run.summary[key]
                for key in ("precision", "rows", "view_cosine", "corpus_fingerprint", "skipped_steps")
            }
        evaluation = evaluate(encoder, ["sts", "geometry"], given.senteval, precision=given.precision)
    values = {
        result.task if result.metric == "spearman" else result.metric: result.value
        for result in evaluation.results
    }
    mean = statistics.fmean(values[task] for task in STS12_16)
    return {
        "model": given.model,
        "method": method,
        "seed": seed,
        "steps": steps,
        **(SETTINGS if steps else {}),
        "mean_sts12_16": round(mean, 3),
        "protocol": "senteval-all",
        "evaluated_in": given.precision,
        "values": {name: round(value, 4) for name, value in values.items()},
        **about,
    }


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds of every method, as Markdown."""
    columns = (*STS12_16, "STS-B", "SICK-R")
    lines = [
        f"| method | seeds | mean STS12-16 | {' | '.join(columns)} |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    by_method: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_method[row["method"]].append(row)
    for method, runs in by_method.items():
        cells = [_spread([run["mean_sts12_16"] for run in runs])]
        cells += [_spread([run["values"][column] for run in runs]) for column in columns]
        seeds = len(runs) if method != "start" else "-"
        lines.append(f"| {method} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
