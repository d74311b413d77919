"""Does it make the encoder better? Every method, several seeds, on real sentences, scored on STS and transfer tasks.

    python -m benchmarks.quality CORPUS SENTEVAL --methods simcse,hncse-hnm --seeds 0,1,2 --results FILE
    python -m benchmarks.quality --table FILE            the Markdown tables of what FILE holds

Of every method and seed there are two runs: one that ends in its last step (``--criterion none``), and one of the
default path, which holds rows out and hands out what it expects to be best (``--blend auto``). Each run is one line of
JSON in FILE, with its whole configuration; a run that is there with all its tasks is not done again, so the command
can be stopped and repeated, and several may work on different methods at once. No run is left out of the tables, and
no seed is chosen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contrapose.markdown_table import markdown_table

METHODS = "simcse,focal-infonce,hncse-pm,hncse-hnm,hncse"
STS12_16 = ("STS12", "STS13", "STS14", "STS15", "STS16")
TRANSFER = ("MR", "CR", "SUBJ", "MPQA", "SST2", "TREC", "MRPC")
SETTINGS: dict[str, Any] = {"batch_size": 64, "learning_rate": 1e-5, "max_length": 32}
#: What a run hands out -> the options of training that make it so. The default path needs none.
ENDS: dict[str, dict[str, Any]] = {"handed out": {}, "last step": {"criterion": "none"}}
START = "start"
#: Of a run's summary, what a reader of its numbers may want to know.
FACTS = (
    "precision", "rows", "view_cosine", "corpus_fingerprint", "skipped_steps", "chosen_step", "blend",
)  # fmt: skip

Key = tuple[str, str, int, int, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("senteval", nargs="?")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--ends", default=",".join(ENDS))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--results", type=Path, default=Path("docs/results/quality.jsonl"))
    parser.add_argument("--precision", default="bf16", help="of the evaluation; fp32 differs by 0.02 at most")
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    if given.table:
        rows = read(given.table)
        print(table(rows), transfer_table(rows), sep="\n\n")
        return
    if not (given.corpus and given.senteval):
        parser.error("give a corpus and a SentEval folder, or --table FILE")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    for key in missing(wanted(given), read(given.results)):
        row = measure(given, key)
        with given.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(*key, row["mean_sts12_16"], row["mean_transfer"], flush=True)


def wanted(given: argparse.Namespace) -> list[Key]:
    """The runs that the command asks for: the start, then seed by seed."""
    runs = [
        (given.model, method, int(seed), given.steps, end)
        for seed in given.seeds.split(",")
        for method in given.methods.split(",")
        for end in given.ends.split(",")
    ]
    return [(given.model, START, 0, 0, ""), *runs]


def missing(keys: Sequence[Key], rows: Sequence[dict[str, Any]]) -> list[Key]:
    """Those that have no row with all tasks yet."""
    done = {key_of(row) for row in rows if "mean_transfer" in row}
    return [key for key in keys if key not in done]


def key_of(row: dict[str, Any]) -> Key:
    """Which run a row is of. Rows from before there were two ends are of the last step."""
    end = "" if row["method"] == START else row.get("end", "last step")
    return row["model"], row["method"], row["seed"], row["steps"], end


def measure(given: argparse.Namespace, key: Key) -> dict[str, Any]:
    """Train once (or take the start), and score the test splits."""
    from contrapose.encoder.encoder import Encoder
    from contrapose.evaluate.suite import evaluate
    from contrapose.train.api import train

    model, method, seed, steps, end = key
    with tempfile.TemporaryDirectory() as out:
        if method == START:
            encoder, about = Encoder.load(model), {}
        else:
            run = train(
                given.corpus,
                model=model,
                method=method,
                out=Path(out) / "run",
                seed=seed,
                steps=steps,
                **SETTINGS,
                **ENDS[end],
            )
            encoder = run.encoder
            about = {name: run.summary[name] for name in FACTS if name in run.summary}
        evaluation = evaluate(
            encoder, ["sts", "transfer", "geometry"], given.senteval, precision=given.precision
        )
    if evaluation.problems:
        raise SystemExit("\n".join(f"{each.task}: {each.message}" for each in evaluation.problems))
    values = {
        result.metric if result.protocol == "geometry" else result.task: result.value
        for result in evaluation.results
    }
    return {
        "model": model,
        "method": method,
        "seed": seed,
        "steps": steps,
        **({"end": end, **SETTINGS} if steps else {}),
        "mean_sts12_16": round(statistics.fmean(values[task] for task in STS12_16), 3),
        "mean_transfer": round(statistics.fmean(values[task] for task in TRANSFER), 3),
        "protocol": "senteval-all, senteval-transfer",
        "evaluated_in": given.precision,
        "values": {name: round(value, 4) for name, value in values.items()},
        **about,
    }


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(rows: Sequence[dict[str, Any]]) -> str:
    """STS: mean and standard deviation over the seeds of every method and end, as Markdown."""
    return _table(rows, "mean STS12-16", "mean_sts12_16", (*STS12_16, "STS-B", "SICK-R"))


def transfer_table(rows: Sequence[dict[str, Any]]) -> str:
    """The same of the transfer tasks, from the rows that have them."""
    return _table([row for row in rows if "mean_transfer" in row], "mean transfer", "mean_transfer", TRANSFER)


def _table(rows: Sequence[dict[str, Any]], title: str, mean: str, columns: Sequence[str]) -> str:
    newest = {key_of(row): row for row in rows}
    lines = []
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (_, method, _, _, end), row in newest.items():
        groups.setdefault((method, end), []).append(row)
    # The start, the five, then any other method as it came.
    order = list(dict.fromkeys([START, *METHODS.split(","), *(method for method, _ in groups)]))
    for (method, end), runs in sorted(
        groups.items(), key=lambda group: (order.index(group[0][0]), group[0][1])
    ):
        cells = [_spread([run[mean] for run in runs])]
        cells += [_spread([run["values"][column] for run in runs]) for column in columns]
        name = "pretrained model" if method == START else method
        lines.append([name, end or "-", str(len(runs)) if end else "-", *cells])
    return "\n".join(markdown_table(["method", "model taken", "seeds", title, *columns], lines))


def _spread(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
