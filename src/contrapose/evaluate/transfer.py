"""Transfer: how much a linear classifier finds in frozen vectors (Conneau and Kiela 2018, SentEval).

    MR, CR, SUBJ, MPQA   10 folds; in each, the weight decay is chosen by 10 folds inside, then refitted; every row is a
                         test row once: accuracy over all rows (folds differ by a row at most, so that this is the mean
                         of the 10 test accuracies)
    TREC, MRPC           the weight decay is chosen by 10 folds of the training rows; accuracy on the test rows
    SST2                 the weight decay is chosen on the development rows; accuracy on the test rows

Vectors are not normalised. A pair (MRPC) becomes [|u - v| ; u * v]. The accuracy that a test row takes part in never
chooses anything.

Departures from SentEval's code. A classifier that chooses the weight decay is stopped by 5% of the rows it learns from;
SentEval stops it by the fold that it then scores, which flatters the score that chooses: ``senteval-transfer-official``
does so too. All classifiers share their mini-batches (:mod:`contrapose.evaluate.logistic`). Folds and rows set aside
are drawn by our own generator, one draw for all classifiers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.errors import UsageError, nearest
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.folds import set_aside, stratified_folds
from contrapose.evaluate.logistic import Classifiers, ClassifierTraining, fit_all
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.published import other_rows_than_published
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import root_in
from contrapose.evaluate.senteval_transfer import (
    CLASS_FILES,
    SPLIT_FILES,
    TRANSFER_TASKS,
    LabelledTexts,
    read_transfer,
)
from contrapose.evaluate.task import DatasetSource, OnData, Protocols
from contrapose.evaluate.vectors import is_one_point

#: The weight decays that are tried.
WEIGHT_DECAYS = (1e-5, 1e-4, 1e-3, 1e-2)
#: A classifier sets this share of its rows aside, to be stopped by.
DEV_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class TransferProtocol:
    """How the classifiers of a task are trained, and in how many folds they are chosen.

    stop_on_fold: whether a classifier that chooses the weight decay is stopped, and its best weights are kept, by the
        very fold that it is then scored on, as SentEval has it. Its accuracy there is a maximum over looks and so a
        little too high, more so for weight decays whose accuracy jumps. Otherwise rows of its own stop it.
    """

    name: str
    folds: int
    training: ClassifierTraining
    use: str
    stop_on_fold: bool = False

    @property
    def words(self) -> str:
        training = self.training
        return (
            f"SentEval's settings for {self.use}: {self.folds} folds, {training.optimizer}, batch "
            f"{training.batch_size}, tenacity {training.tenacity}, epoch_size {training.epoch_size}"
        )


_TO_REPORT = ClassifierTraining(optimizer="adam", batch_size=64, tenacity=5, epoch_size=4)
_TO_DEVELOP = ClassifierTraining(optimizer="rmsprop", batch_size=128, tenacity=3, epoch_size=2)
PROTOCOLS = {
    "senteval-transfer": TransferProtocol(
        name="senteval-transfer", folds=10, training=_TO_REPORT, use="reporting"
    ),
    "senteval-transfer-official": TransferProtocol(
        name="senteval-transfer-official",
        folds=10,
        training=_TO_REPORT,
        use="reporting, stopped as SentEval does",
        stop_on_fold=True,
    ),
    "senteval-transfer-fast": TransferProtocol(
        name="senteval-transfer-fast", folds=5, training=_TO_DEVELOP, use="development"
    ),
}


def transfer_protocol(name: str) -> TransferProtocol:
    """The protocol of a name. Raises :class:`UsageError` for one that does not exist."""
    if name not in PROTOCOLS:
        known = tuple(PROTOCOLS)
        raise UsageError(
            f"unknown transfer protocol '{name}'{nearest(name, known)} Known: {', '.join(known)}"
        )
    return PROTOCOLS[name]


@dataclass(frozen=True, kw_only=True)
class TransferTask(OnData):
    """One task of SentEval's classification tasks: labelled texts and a protocol."""

    data: LabelledTexts
    protocol: TransferProtocol
    seed: int = 1111

    def score(self, encodings: Encodings) -> list[Result]:
        """Accuracy x 100 on the test rows, with its interval over them."""
        features_ND = self._features(encodings)
        tested_N = self.data.tested_N
        best_constant = np.bincount(self.data.labels_N[tested_N]).max() / tested_N.sum()
        details: dict[str, Any] = {
            "definition": self.protocol.words,
            "division": self._division(),
            "folder": self.data.folder,
            "data_fingerprint": self.data.fingerprint,
            "classes": list(self.data.class_names),
            "chance": 100 * float(best_constant),
        }
        if self.data.latin_1:
            details["read_as_latin_1"] = ", ".join(self.data.latin_1)
        parts, counts = np.unique(self.data.split, return_counts=True)
        rows_here = dict(zip(parts.tolist(), counts.tolist(), strict=True))
        details |= other_rows_than_published(self.name, rows_here, "rows", exact=False)
        scores = None
        if is_one_point(features_ND):
            details["collapsed"] = True
        else:
            right_N, chosen, dev = self._right(features_ND)
            details |= {"weight_decay": chosen, "dev_accuracy": 100 * dev}
            scores = PerExampleScores("mean", right_N.astype(np.float64))
        return [
            Result.of_scores(
                scores,
                task=self.name,
                metric="accuracy",
                protocol=self.protocol.name,
                rows=int(tested_N.sum()),
                model=encodings.model,
                split="test",
                text=self.data.text,
                details=details,
            )
        ]

    def _division(self) -> str:
        """Which rows are learnt from, choose and are tested, in words."""
        split, folds = self.data.split, self.protocol.folds
        train, dev, test = (int((split == part).sum()) for part in ("train", "dev", "test"))
        if not test:
            return f"{folds} folds, each with {folds} folds inside; each row tested once; seed {self.seed}"
        if dev:
            return f"{train:,} rows to learn from, {dev:,} to choose by, {test:,} test rows; seed {self.seed}"
        return f"{train:,} rows to learn from in {folds} folds, {test:,} test rows; seed {self.seed}"

    def _features(self, encodings: Encodings) -> np.ndarray:
        first_ND = encodings.of(self.data.first).astype(np.float32)
        if not self.data.second:
            return first_ND
        second_ND = encodings.of(self.data.second).astype(np.float32)
        return np.concatenate([np.abs(first_ND - second_ND), first_ND * second_ND], axis=1)

    def _right(self, x_ND: np.ndarray) -> tuple[np.ndarray, list[float], float]:
        """Of each test row whether its class was found; the weight decays chosen; the accuracy they were chosen by."""
        labels_N, split = self.data.labels_N, self.data.split
        if (split == "all").all():
            return self._nested(x_ND, labels_N)
        train, test = split == "train", split == "test"
        if (split == "dev").any():
            return self._given_dev(x_ND, labels_N, train, split == "dev", test)
        folds = stratified_folds(labels_N[train], self.protocol.folds, self.seed)
        (decay,), dev = self._choose(x_ND[train], labels_N[train], [folds])
        final = self._refit(x_ND, labels_N, train[None], [decay])
        return final.predict(x_ND[test])[0] == labels_N[test], [decay], dev

    def _nested(self, x_ND: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, list[float], float]:
        outer_N = stratified_folds(labels_N, self.protocol.folds, self.seed)
        inner = []
        for fold in range(self.protocol.folds):
            folds_N = np.full(len(labels_N), -1)
            rest = outer_N != fold
            folds_N[rest] = stratified_folds(labels_N[rest], self.protocol.folds, self.seed)
            inner.append(folds_N)
        decays, dev = self._choose(x_ND, labels_N, inner)
        learn_FN = outer_N[None] != np.arange(self.protocol.folds)[:, None]
        predicted_FN = self._refit(x_ND, labels_N, learn_FN, decays).predict(x_ND)
        return predicted_FN[outer_N, np.arange(len(labels_N))] == labels_N, decays, dev

    def _choose(
        self, x_ND: np.ndarray, labels_N: np.ndarray, foldings: Sequence[np.ndarray]
    ) -> tuple[list[float], float]:
        """For each division into folds (-1: a row of no concern) the weight decay with the best mean accuracy."""
        held, learn, decays = [], [], []
        for folds_N in foldings:
            for decay in WEIGHT_DECAYS:
                for fold in range(self.protocol.folds):
                    held.append(folds_N == fold)
                    learn.append((folds_N != fold) & (folds_N >= 0))
                    decays.append(decay)
        held_FN, learn_FN = np.array(held), np.array(learn)
        if self.protocol.stop_on_fold:
            classifiers = self._fit(x_ND, labels_N, learn_FN, held_FN, decays=decays)
        else:
            classifiers = self._refit(x_ND, labels_N, learn_FN, decays)
        right_FN = (classifiers.predict(x_ND) == labels_N) & held_FN
        accuracy = (right_FN.sum(axis=1) / held_FN.sum(axis=1)).reshape(len(foldings), len(WEIGHT_DECAYS), -1)
        means = accuracy.mean(axis=2)
        if (
            self.protocol.stop_on_fold
        ):  # SentEval compares percentages of two places, and takes the first of equals
            means = np.round(100 * means, 2) / 100
        return [WEIGHT_DECAYS[best] for best in means.argmax(axis=1)], float(means.max(axis=1).mean())

    def _refit(
        self, x_ND: np.ndarray, labels_N: np.ndarray, learn_FN: np.ndarray, decays: Sequence[float]
    ) -> Classifiers:
        """Classifiers that learn from their rows, less the share that stops them."""
        aside_FN = set_aside(learn_FN, DEV_SHARE, self.seed)
        return self._fit(x_ND, labels_N, learn_FN & ~aside_FN, aside_FN, decays=decays)

    def _fit(
        self, x_ND: np.ndarray, labels_N: np.ndarray, *masks_FN: np.ndarray, decays: Sequence[float]
    ) -> Classifiers:
        """Classifiers that learn from the rows of the first mask and are stopped by those of the second."""
        train_FN, dev_FN = masks_FN
        return fit_all(
            x_ND,
            labels_N,
            train_FN=train_FN,
            dev_FN=dev_FN,
            weight_decay_F=np.array(decays),
            training=self.protocol.training,
            seed=self.seed,
        )

    def _given_dev(
        self, x_ND: np.ndarray, labels_N: np.ndarray, train: np.ndarray, dev: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, list[float], float]:
        count = len(WEIGHT_DECAYS)
        train_FN, dev_FN = (np.tile(rows, (count, 1)) for rows in (train, dev))
        classifiers = self._fit(x_ND, labels_N, train_FN, dev_FN, decays=WEIGHT_DECAYS)
        best = int(classifiers.dev_accuracy_F.argmax())
        right_N = classifiers.predict(x_ND[test])[best] == labels_N[test]
        return right_N, [WEIGHT_DECAYS[best]], float(classifiers.dev_accuracy_F[best])


def source_of(task: str, folders: Sequence[Path]) -> DatasetSource:
    """One of SentEval's classification tasks, from the first folder that holds it."""

    def read(split: str, protocols: Protocols) -> TransferTask:
        return TransferTask(data=read_transfer(folders, task), protocol=transfer_protocol(protocols.transfer))

    where = folders[0] if folders else Path()
    return DatasetSource(task=task, group="transfer", splits=("test",), where=where, read=read)


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The classification tasks in SentEval's layout."""
    for task in TRANSFER_TASKS:
        if root_in(folder, CLASS_FILES.get(task) or tuple(SPLIT_FILES[task].values())):
            yield source_of(task, [folder])
