"""Transfer tasks: all classifiers as one matrix, against the same protocol one classifier after the other.

    python -m benchmarks.transfer [--senteval DIR] [--tasks CR,TREC] [--out FILE] [--outer N]

The rival is what one writes first, and what SentEval does: a torch Linear for each fold and weight decay, mini-batches
of 64 rows, autograd, torch's Adam, stopped by rows that were set aside (:func:`benchmarks.rivals.one_classifier`). Both
get the same vectors (minilm), folds, rows set aside and weight decays, so only the training differs. Seconds are
processor time of one thread: other work on the machine hardly changes them. Of several seeds: the median of the ratios,
the mean of the accuracies.

A task without folds of its own (MR, CR, SUBJ, MPQA) is 410 trainings. ``--outer N`` lets the rival do the first N of
its 10 outer folds, 41 trainings each: its seconds are then scaled to all of them, the accuracies of both are of the
rows of those folds, and the result says so. Finished tasks stay in ``--out``: a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data import data_folder
from benchmarks.rivals import one_classifier
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.folds import set_aside, stratified_folds
from contrapose.evaluate.senteval_transfer import TRANSFER_TASKS, read_transfer
from contrapose.evaluate.transfer import (
    DEV_SHARE,
    PROTOCOLS,
    WEIGHT_DECAYS,
    TransferTask,
)
from contrapose.markdown_table import markdown_table

PROTOCOL = PROTOCOLS["senteval-transfer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data = data_folder()
    parser.add_argument("--senteval", default=str(data / "senteval") if data else None)
    parser.add_argument("--tasks", default=",".join(TRANSFER_TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="of tasks with given splits: few trainings each")
    parser.add_argument("--outer", type=int, default=PROTOCOL.folds, help="outer folds that the rival does")
    parser.add_argument("--out", type=Path, default=Path("docs/results/transfer.json"))
    given = parser.parse_args()
    if not given.senteval:
        parser.error("where is SentEval's data? Give --senteval FOLDER, or set CONTRAPOSE_DATA")
    torch.set_num_threads(1)
    done = json.loads(given.out.read_text()) if given.out.exists() else {}
    for name in given.tasks.split(","):
        if name not in done:
            done[name] = measure(name, given.senteval, given.seeds, given.outer)
            given.out.write_text(json.dumps(done, indent=1) + "\n")
        print(f"{name:<6}", json.dumps(done[name]), flush=True)


def measure(name: str, senteval: str, seeds: int, outer: int) -> dict[str, Any]:
    """Both on one task, for each seed; a task with folds of its own is long, and gets one seed."""
    from contrapose.encoder.encoder import Encoder

    data = read_transfer(senteval, name)
    nested = bool((data.split == "all").all())
    task = TransferTask(data=data, protocol=PROTOCOL)
    x_ND = task._features(encode_once(Encoder.load("minilm"), data.texts))
    ours, rivals, accuracies = [], [], []
    for seed in range(task.seed, task.seed + (1 if nested else seeds)):
        task = TransferTask(data=data, protocol=PROTOCOL, seed=seed)
        torch.manual_seed(seed)
        began = time.process_time()
        right_N, *_ = task._right(x_ND)
        ours.append(time.process_time() - began)
        rival = OneAfterTheOther(x_ND, task, outer)
        began = time.process_time()
        compared, rival_right_N = rival.run()
        rivals.append(time.process_time() - began)
        accuracies.append([100 * float(each.mean()) for each in (right_N[compared], rival_right_N)])
    scale = PROTOCOL.folds / outer if nested else 1
    ratios = [scale * rival / our for our, rival in zip(ours, rivals, strict=True)]
    accuracy, rival_accuracy = np.mean(accuracies, axis=0)
    return {
        "rows": len(data),
        "trainings": round(rival.trainings * scale),
        "contrapose, seconds": round(statistics.median(ours), 2),
        "one after the other, seconds": round(scale * statistics.median(rivals), 1),
        "one after the other, trainings timed": rival.trainings,
        "ratio": round(statistics.median(ratios), 1),
        "ratio, each seed": [round(ratio, 1) for ratio in ratios],
        "contrapose, accuracy": round(float(accuracy), 2),
        "one after the other, accuracy": round(float(rival_accuracy), 2),
        "difference": round(float(accuracy - rival_accuracy), 2),
        "difference, each seed": [round(our - rival, 2) for our, rival in accuracies],
        "test rows compared": len(rival_right_N),
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """What was measured, as a table for people; the spread is over the seeds."""
    header = ("task", "classifiers", "all at once, s", "one by one, s", "times as fast", "accuracy", "one by one",
              "difference")  # fmt: skip
    rows = []
    for name, measured in results.items():
        ratios, differences = measured["ratio, each seed"], measured["difference, each seed"]
        several = len(ratios) > 1
        cells = (
            name,
            _trainings(measured),
            str(measured["contrapose, seconds"]),
            str(measured["one after the other, seconds"]),
            f"{measured['ratio']}{f' ({min(ratios)} to {max(ratios)})' * several}",
            f"{measured['contrapose, accuracy']:.2f}",
            f"{measured['one after the other, accuracy']:.2f}",
            f"{measured['difference']:+.2f}{f' ({min(differences):+.2f} to {max(differences):+.2f})' * several}",
        )
        rows.append(cells)
    return "\n".join(markdown_table(header, rows))


def _trainings(measured: dict[str, Any]) -> str:
    """How many there are, and of how many the rival was timed.

    >>> _trainings({"trainings": 410, "one after the other, trainings timed": 123})
    '410 (rival timed over 123)'
    """
    timed = measured["one after the other, trainings timed"]
    return str(measured["trainings"]) + (
        f" (rival timed over {timed})" if timed < measured["trainings"] else ""
    )


@dataclass
class OneAfterTheOther:
    """The protocol in loops. ``run`` gives the places of the test rows (among all test rows) and which were right."""

    x_ND: np.ndarray
    task: TransferTask
    outer: int
    trainings: int = 0

    def run(self) -> tuple[np.ndarray, np.ndarray]:
        labels_N, split = self.task.data.labels_N, self.task.data.split
        if (split == "all").all():
            fold_N = stratified_folds(labels_N, PROTOCOL.folds, self.task.seed)
            tests = [np.flatnonzero(fold_N == fold) for fold in range(self.outer)]
            right = [self._choose_and_test(np.flatnonzero(fold_N != i), rows) for i, rows in enumerate(tests)]
            return np.concatenate(tests), np.concatenate(right)
        train, dev, test = (np.flatnonzero(split == part) for part in ("train", "dev", "test"))
        if not len(dev):
            return np.arange(len(test)), self._choose_and_test(train, test)
        measured = [self._train(train, dev, decay) for decay in WEIGHT_DECAYS]
        best = max(measured, key=lambda predict: self._right(predict, dev).mean())
        return np.arange(len(test)), self._right(best, test)

    def _choose_and_test(self, learn: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Choose the weight decay by folds of the rows learnt from, refit, and answer the test rows."""
        fold_N = stratified_folds(self.task.data.labels_N[learn], PROTOCOL.folds, self.task.seed)
        means = []
        for decay in WEIGHT_DECAYS:
            accuracies = []
            for fold in range(PROTOCOL.folds):
                predict = self._less_some(learn[fold_N != fold], decay)
                accuracies.append(self._right(predict, learn[fold_N == fold]).mean())
            means.append(np.mean(accuracies))
        return self._right(self._less_some(learn, WEIGHT_DECAYS[int(np.argmax(means))]), test)

    def _less_some(self, learn: np.ndarray, decay: float) -> Any:
        mask_1N = np.zeros((1, len(self.x_ND)), bool)
        mask_1N[0, learn] = True
        aside = set_aside(mask_1N, DEV_SHARE, self.task.seed)[0]
        return self._train(np.flatnonzero(mask_1N[0] & ~aside), np.flatnonzero(aside), decay)

    def _train(self, learn: np.ndarray, aside: np.ndarray, decay: float) -> Any:
        self.trainings += 1
        labels_N = self.task.data.labels_N
        return one_classifier(
            self.x_ND[learn], labels_N[learn], self.x_ND[aside], labels_N[aside], decay, PROTOCOL.training
        )

    def _right(self, predict: Any, rows: np.ndarray) -> np.ndarray:
        right: np.ndarray = predict(self.x_ND[rows]) == self.task.data.labels_N[rows]
        return right


if __name__ == "__main__":
    main()
