"""Faster never means different: STS after training in bf16, and with tiled losses, beside fp32, over three seeds.

    python -m benchmarks same_scores [--quick]
    CONTRAPOSE_DATA=FOLDER python -m benchmarks.same_scores [--seeds 0,1,2] [--steps 100] [--results FILE]
    python -m benchmarks.same_scores --table FILE

Each run trains minilm on Wikipedia's sentences with one seed and one setting, and is one line of JSON in FILE; one that
is there is not done again, so the command can be stopped and repeated. All are evaluated in fp32, on STS-B and on
a fixed part of each of STS12 to STS16. A difference is of means over the seeds; below 0.1 the settings are the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder, own_corpus
from benchmarks.quality import read
from benchmarks.table import Row, as_markdown, as_text
from contrapose.storage.durable import append_line

STEPS, BATCH_SIZE, MAX_LENGTH = 100, 64, 32
#: Pairs of each part of STS12 to STS16 that are scored, the first ones; STS-B is scored whole.
PAIRS = 250
#: Largest difference of means that is called the same, in points of Spearman x 100.
SAME = 0.1
#: Setting -> the options of training that make it.
SETTINGS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "tiled": {"precision": "fp32", "tiled": "always"},
}
TASKS = ("STS-B", "STS12", "STS13", "STS14", "STS15", "STS16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--results", type=Path, default=Path("docs/results/same_scores.jsonl"))
    parser.add_argument("--table", type=Path, help="only: what this file holds, as a table")
    given = parser.parse_args()
    if given.table:
        show(rows_of(read(given.table)))
        return
    if data_folder() is None:
        raise SystemExit("STS is needed: CONTRAPOSE_DATA names no folder with senteval/ in it")
    seeds = [int(seed) for seed in given.seeds.split(",")]
    given.results.parent.mkdir(parents=True, exist_ok=True)
    for setting, seed in missing(read(given.results), seeds, given.steps):
        row = run(setting, seed, given.steps)
        append_line(given.results, json.dumps(row))
        print(json.dumps(row), flush=True)
    show(rows_of([row for row in read(given.results) if row["steps"] == given.steps]))


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Fresh runs; without STS data the rows say "not measured"."""
    if data_folder() is None:
        return [{"name": "STS beside fp32", "measured": None, "note": "CONTRAPOSE_DATA names no folder"}]
    seeds, steps = ([0], 3) if quick else ([0, 1, 2], STEPS)
    return rows_of([run(setting, seed, steps) for setting, seed in missing([], seeds, steps)])


def missing(
    rows: Sequence[Mapping[str, Any]], seeds: Sequence[int], steps: int, settings: Sequence[str] | None = None
) -> list[tuple[str, int]]:
    """The runs that are not there yet, seed by seed, of the settings that this version has."""
    done = {(row["setting"], row["seed"]) for row in rows if row["steps"] == steps}
    wanted = [(setting, seed) for seed in seeds for setting in (settings or available())]
    return [each for each in wanted if each not in done]


def available() -> list[str]:
    """The settings whose options training knows."""
    from contrapose.train.configuration import section_of

    return [name for name, options in SETTINGS.items() if all(section_of(option) for option in options)]


def run(setting: str, seed: int, steps: int) -> dict[str, Any]:
    """Train once, and score the model of the last step."""
    from contrapose.train.api import train

    data = data_folder()
    assert data is not None
    with tempfile.TemporaryDirectory(prefix="contrapose-bench-") as folder:
        trained = train(
            own_corpus(data, Path(folder)), out=Path(folder, "run"), model="minilm", method="simcse", seed=seed,
            steps=steps, batch_size=BATCH_SIZE, max_length=MAX_LENGTH, criterion="none", blend=1, held_out_rows=0,
            **SETTINGS[setting],
        )  # fmt: skip
        values = scores(trained.encoder, data / "senteval")
    return {
        "setting": setting,
        "seed": seed,
        "steps": steps,
        "mean": statistics.fmean(values.values()),
        "values": values,
    }


def scores(encoder: Any, senteval: Path, pairs: int = PAIRS) -> dict[str, float]:
    """Task -> Spearman x 100 over its pairs, encoded in fp32 with every distinct sentence once."""
    from scipy.stats import spearmanr

    from contrapose.evaluate.encoding import encode_once
    from contrapose.evaluate.senteval import read_sts
    from contrapose.evaluate.vectors import unit_rows

    values = {}
    for task in TASKS:
        parts = read_sts(senteval, task).subsets
        most = pairs if len(parts) > 1 else None
        first, second, gold = (
            [item for part in parts for item in getattr(part, side)[:most]]
            for side in ("first", "second", "gold")
        )
        encodings = encode_once(encoder, [*first, *second], precision="fp32")
        cosine = (unit_rows(encodings.of(first)) * unit_rows(encodings.of(second))).sum(axis=1)
        values[task] = 100 * float(spearmanr(cosine, gold).statistic)
    return values


def rows_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread of each setting, and its difference from fp32 over the seeds that both have."""
    by_setting: dict[str, dict[int, float]] = {}
    for row in rows:
        by_setting.setdefault(row["setting"], {})[row["seed"]] = row["mean"]
    base, told = by_setting.get("fp32", {}), []
    for setting in SETTINGS:
        means = by_setting.get(setting, {})
        spread = f", standard deviation {statistics.stdev(means.values()):.2f}" if len(means) > 1 else ""
        told.append({
            "name": f"mean STS trained with {setting}", "measured": statistics.fmean(means.values()) if means else None,
            "note": f"{len(means)} seeds{spread}" if means else "",
        })  # fmt: skip
        both = sorted(set(means) & set(base))
        if setting != "fp32":
            differences = [means[seed] - base[seed] for seed in both]
            difference = statistics.fmean(differences) if differences else None
            told.append({
                "name": f"mean STS, {setting} - fp32", "predicted": f"within {SAME}", "measured": difference,
                "note": verdict(difference, differences),
            })  # fmt: skip
    return told


def verdict(difference: float | None, differences: Sequence[float]) -> str:
    """
    >>> verdict(0.05, [0.0, 0.1]), verdict(-0.25, [-0.25]), verdict(None, [])
    ('the same; each seed: +0.00 +0.10', 'different; each seed: -0.25', '')
    """
    if difference is None:
        return ""
    each = " ".join(f"{value:+.2f}" for value in differences)
    return f"{'the same' if abs(difference) <= SAME else 'different'}; each seed: {each}"


def table(path: Path) -> str:
    """What a file of runs holds, as Markdown."""
    rows = read(path) if path.exists() else []
    return "\n".join(as_markdown([Row.of(row) for row in rows_of(rows)])) if rows else "Not measured yet."


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    print("\n".join(as_text([Row.of(row) for row in rows])))


if __name__ == "__main__":
    main()
