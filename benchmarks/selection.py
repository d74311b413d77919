"""How well does the label-free criterion track STS? Both are measured on the same checkpoints of the same runs.

    python -m benchmarks.selection CORPUS SENTEVAL --results FILE
    python -m benchmarks.selection --read FILE           what FILE says, in words

Learning rates from sensible to harmful, so that there is something to tell apart. A run that is in FILE is not done
again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.quality import read

METHODS = "hncse-hnm"
RATES = "1e-5,2e-4"
STEPS, EVERY = 60, 12


class Both:
    """Measures the label-free criterion, and the STS-B development score beside it."""

    name, about = "both", "the label-free criterion and STS-B dev"

    def __init__(self, label_free: Any, stsb: Any) -> None:
        self.label_free, self.stsb = label_free, stsb

    def measure(self, encoder: Any, precision: str) -> dict[str, float]:
        return {
            **self.label_free.measure(encoder, precision),
            "stsb_dev": self.stsb.measure(encoder, precision)["score"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("senteval", nargs="?", type=Path)
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--rates", default=RATES)
    parser.add_argument("--results", type=Path, default=Path("docs/results/selection.jsonl"))
    parser.add_argument("--read", type=Path)
    given = parser.parse_args()
    if given.read:
        print(in_words(read(given.read)))
        return
    if not (given.corpus and given.senteval):
        parser.error("give a corpus and a SentEval folder, or --read FILE")
    given.results.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["method"], row["learning_rate"]) for row in read(given.results)}
    for method, rate in itertools.product(given.methods.split(","), map(float, given.rates.split(","))):
        if (method, rate) not in done:
            rows = measure(given.corpus, given.senteval, method, rate)
            with given.results.open("a") as file:
                file.write("".join(json.dumps(row) + "\n" for row in rows))
            print(method, rate, [(row["score"], row["stsb_dev"]) for row in rows], flush=True)


def measure(corpus: str, senteval: Path, method: str, rate: float) -> list[dict[str, Any]]:
    """One run; a row per checkpoint, the start included."""
    from contrapose.train import loop
    from contrapose.train.prepare import prepare
    from contrapose.train.select import StsbDev
    from contrapose.train.settings import nested, resolve
    from contrapose.train.track import Listener, read_rows

    with tempfile.TemporaryDirectory() as out, ExitStack() as stack:
        settings = resolve(
            nested(
                {
                    "corpus": (corpus,),
                    "out": out,
                    "method": method,
                    "learning_rate": rate,
                    "steps": STEPS,
                    "eval_every": EVERY,
                    "criterion": "label-free",
                    "save_every": 10_000,
                }
            )
        )
        session = prepare(settings, resume=False, listener=Listener(), stack=stack)
        session.criterion = Both(session.criterion, StsbDev(senteval))
        loop.run(session)
        rows = [row for row in read_rows(Path(out) / "metrics.jsonl") if "evaluation" in row]
    return [
        {"method": method, "learning_rate": rate, "seed": 0, "step": row["step"], **row["evaluation"]}
        for row in rows
    ]


def in_words(rows: list[dict[str, Any]]) -> str:
    """Rank correlation over all checkpoints, and how often both say the same of a checkpoint against its start."""
    if not rows:
        return "Not measured yet."
    from scipy.stats import spearmanr

    starts = {(row["method"], row["learning_rate"]): row for row in rows if row["step"] == 0}
    trained = [row for row in rows if row["step"] > 0]
    change = [
        (
            row["score"] - starts[row["method"], row["learning_rate"]]["score"],
            row["stsb_dev"] - starts[row["method"], row["learning_rate"]]["stsb_dev"],
        )
        for row in trained
    ]
    agree = sum((free > 0) == (sts > 0) for free, sts in change)
    correlation = spearmanr([free for free, _ in change], [sts for _, sts in change]).statistic
    lines = [
        f"- {len(trained)} checkpoints of {len(starts)} runs: the rank correlation of both changes against the start "
        f"is {correlation:.2f}; they agree on better or worse in {agree} of {len(trained)}."
    ]
    for (method, rate), start in starts.items():
        last = [row for row in trained if (row["method"], row["learning_rate"]) == (method, rate)][-1]
        lines.append(
            f"- {method}, learning rate {rate:g}: label-free {start['score']:.3f} -> {last['score']:.3f}, "
            f"STS-B dev {start['stsb_dev']:.1f} -> {last['stsb_dev']:.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
