"""Many logistic regressions on the same vectors, trained at once: every fold and every regularisation of a task.

SentEval fits them one after the other, 410 times for a task of 10 folds inside 10 folds. All of them see the same
vectors and differ only in which rows they may learn from and in the strength of their weight decay, so here they are
one matrix: logits of a mini-batch for all F classifiers are one product (C F, D) x (D, B), and a mask (F, B) tells
which rows count for whom. Classes come first and rows last, where softmax and products are fastest.

    loss_f = 1/n_f sum_i m_fi CE(x_i W_f + b_f, y_i)        n_f = sum_i m_fi
    gradient_f += weight_decay_f * W_f                       (L2 in the gradient, as torch's Adam does it)

Each classifier is trained as SentEval's: epochs in groups of ``epoch_size``; after each group the accuracy on rows
of its own that were set aside; it stops after ``tenacity`` groups without a new best (they need not follow one
another), and its best weights are kept. One departure: the mini-batches are shared, so a classifier that may use the
share s of the rows gets ``batch_size`` rows on average, from blocks of batch_size / s, and not exactly that many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrapose.errors import UsageError
from contrapose.seeds import numpy_generator, torch_generator

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining:
    """How one classifier is trained. ``optimizer``: "adam" or "rmsprop", at torch's default rates."""

    optimizer: str = "adam"
    batch_size: int = 64
    tenacity: int = 5
    epoch_size: int = 4
    max_epochs: int = 200

    def __post_init__(self) -> None:
        if self.optimizer not in ("adam", "rmsprop"):
            raise UsageError(f"unknown optimizer '{self.optimizer}': use adam or rmsprop")


#: Mini-batches whose rows are gathered at once.
GATHERED = 16


@dataclass(frozen=True)
class Classifiers:
    """F trained classifiers: weights (C, F, D + 1), the bias last; their best accuracy on the rows set aside (F,)."""

    weight_CFD: Tensor
    dev_accuracy_F: np.ndarray
    epochs_F: np.ndarray

    def predict(self, x_ND: np.ndarray) -> np.ndarray:
        """The class that each classifier gives each row, (F, N)."""
        import torch

        x = _with_one(torch.from_numpy(np.asarray(x_ND, np.float32)))
        classes_FN: np.ndarray = _predict(x, self.weight_CFD).numpy()
        return classes_FN


def fit_all(
    x_ND: np.ndarray,
    labels_N: np.ndarray,
    *,
    train_FN: np.ndarray,
    dev_FN: np.ndarray,
    weight_decay_F: np.ndarray,
    training: ClassifierTraining | None = None,
    seed: int = 0,
) -> Classifiers:
    """Train F classifiers at once. Row f of the masks: what classifier f learns from, and what it is stopped by.

    x_ND: vectors; labels_N: classes 0 .. C-1. Raises :class:`UsageError` for shapes that do not fit, for a classifier
    without rows, and for rows that are learnt from and set aside at once.

    >>> labels = np.arange(40) % 2
    >>> x = np.repeat(2.0 * labels[:, None] - 1, 60, axis=1)
    >>> aside = np.arange(40)[None] < 8
    >>> fitted = fit_all(x, labels, train_FN=~aside, dev_FN=aside, weight_decay_F=np.array([1e-5]))
    >>> float((fitted.predict(x)[0] == labels).mean())
    1.0
    """
    import torch

    training = training or ClassifierTraining()
    _check(x_ND, labels_N, train_FN, dev_FN, weight_decay_F)
    x = torch.from_numpy(np.ascontiguousarray(x_ND, dtype=np.float32))
    labels = torch.from_numpy(np.asarray(labels_N, np.int64))
    num_classes = int(labels.max()) + 1
    run = _Training(x, labels, num_classes, train_FN, dev_FN, weight_decay_F, training, seed)
    with torch.inference_mode():
        for epochs in run.groups():
            run.train(epochs)
            run.score_aside()
            if run.all_stopped:
                break
    return run.best()


class _Training:
    """State of F trainings. Classifiers that have stopped are taken out of the matrices."""

    def __init__(
        self,
        x: Tensor,
        labels: Tensor,
        num_classes: int,
        train_FN: np.ndarray,
        dev_FN: np.ndarray,
        weight_decay_F: np.ndarray,
        training: ClassifierTraining,
        seed: int,
    ) -> None:
        import torch

        self.training, self.seed, self.rows = training, seed, len(x)
        count, width = len(weight_decay_F), x.shape[1]
        self.decay_F1 = torch.from_numpy(np.asarray(weight_decay_F, np.float32))[:, None]
        share = float(train_FN.mean())
        self.block = max(1, min(len(x), round(training.batch_size / share)))
        # One row more, of zeros, that counts for nobody: it fills the last mini-batch of an epoch.
        self.x = torch.nn.functional.pad(_with_one(x), (0, 0, 0, 1))
        self.train_NF = torch.nn.functional.pad(
            torch.from_numpy(np.ascontiguousarray(train_FN.T)), (0, 0, 0, 1)
        )
        self.one_hot_NC = torch.nn.functional.pad(
            torch.nn.functional.one_hot(labels, num_classes).float(), (0, 0, 0, 1)
        )
        aside = torch.from_numpy(dev_FN.any(axis=0))
        self.aside_x, self.aside_labels = self.x[:-1][aside], labels[aside]
        self.dev_FA = torch.from_numpy(dev_FN)[:, aside]
        # torch's Linear starts uniform in +-1/sqrt(D); all classifiers start alike.
        start = torch.rand(width + 1, 1, num_classes, generator=torch_generator(seed, "classifier"))
        start = (2 * start - 1) / width**0.5
        self.weight = start.permute(2, 1, 0).expand(-1, count, -1).contiguous()
        self.first = torch.zeros_like(self.weight)
        self.second = torch.zeros_like(self.weight)
        self.steps = torch.zeros(())
        self.active = torch.arange(count)
        self.without_best = torch.zeros(count, dtype=torch.int64)
        self.best_weight = self.weight.clone()
        self.best_accuracy = torch.full((count,), -1.0)
        self.epochs = torch.zeros(count, dtype=torch.int64)

    @property
    def all_stopped(self) -> bool:
        return not len(self.active)

    def groups(self) -> Iterator[range]:
        """Epochs, ``epoch_size`` at a time."""
        for start in range(0, self.training.max_epochs + 1, self.training.epoch_size):
            yield range(start, start + self.training.epoch_size)

    def train(self, epochs: range) -> None:
        import torch

        for epoch in epochs:
            order = torch.from_numpy(numpy_generator(self.seed, "epoch", epoch).permutation(self.rows))
            order = torch.nn.functional.pad(order, (0, -self.rows % self.block), value=self.rows)
            for start in range(0, len(order), GATHERED * self.block):
                self._steps(order[start : start + GATHERED * self.block])
        self.epochs[self.active] += len(epochs)

    def _steps(self, rows: Tensor) -> None:
        """One step of every classifier for each mini-batch in ``rows``."""
        x_KBD, one_hot_KBC, mask_KBF = (
            of_rows.index_select(0, rows).view(-1, self.block, of_rows.shape[1])
            for of_rows in (self.x, self.one_hot_NC, self.train_NF)
        )
        mask_KFB = mask_KBF.transpose(1, 2).float()
        mask_KFB = mask_KFB / mask_KFB.sum(dim=2, keepdim=True).clamp(min=1)
        for x_BD, one_hot_CB, mask_FB in zip(x_KBD, one_hot_KBC.transpose(1, 2), mask_KFB, strict=True):
            self._step(x_BD, one_hot_CB, mask_FB)

    def _step(self, x_BD: Tensor, one_hot_CB: Tensor, mask_FB: Tensor) -> None:
        """By hand: autograd would cost more than the two products."""
        flat = self.weight.flatten(0, 1)
        error_CFB = (flat @ x_BD.T).view(*self.weight.shape[:2], -1).softmax(dim=0)
        error_CFB = error_CFB.sub_(one_hot_CB[:, None]).mul_(mask_FB)
        gradient = (error_CFB.flatten(0, 1) @ x_BD).view_as(self.weight)
        gradient.addcmul_(self.weight, self.decay_F1)
        self.steps += 1
        if self.training.optimizer == "adam":
            self._adam(gradient)
        else:
            self.second.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
            self.weight.addcdiv_(gradient, self.second.sqrt().add_(1e-8), value=-0.01)

    def _adam(self, gradient: Tensor) -> None:
        """torch's Adam at its default rates, as one kernel; the weight decay is in the gradient."""
        import torch

        torch._fused_adam_(
            [self.weight], [gradient], [self.first], [self.second], [], [self.steps],
            lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False,
        )  # fmt: skip

    def score_aside(self) -> None:
        """Accuracy on the rows set aside; keep the best weights; take out who has waited long enough."""
        right_FA = _predict(self.aside_x, self.weight) == self.aside_labels
        accuracy = (right_FA & self.dev_FA).sum(dim=1) / self.dev_FA.sum(dim=1)
        better = accuracy > self.best_accuracy[self.active]
        improved = self.active[better]
        self.best_accuracy[improved] = accuracy[better]
        self.best_weight[:, improved] = self.weight[:, better]
        going = better | (self.without_best < self.training.tenacity)
        self.without_best += ~better
        if bool(going.all()):
            return
        self.active, self.without_best = self.active[going], self.without_best[going]
        self.train_NF, self.dev_FA = self.train_NF[:, going].contiguous(), self.dev_FA[going]
        self.decay_F1 = self.decay_F1[going]
        self.weight, self.first, self.second = (
            of_all[:, going].contiguous() for of_all in (self.weight, self.first, self.second)
        )

    def best(self) -> Classifiers:
        return Classifiers(self.best_weight, self.best_accuracy.numpy(), self.epochs.numpy())


def _with_one(x_ND: Tensor) -> Tensor:
    """(N, D + 1): the last column meets the bias."""
    import torch

    return torch.nn.functional.pad(x_ND, (0, 1), value=1.0)


def _predict(x_ND: Tensor, weight_CFD: Tensor) -> Tensor:
    logits_CFN = (weight_CFD.flatten(0, 1) @ x_ND.T).view(*weight_CFD.shape[:2], -1)
    return logits_CFN.argmax(dim=0)


def _check(
    x_ND: np.ndarray,
    labels_N: np.ndarray,
    train_FN: np.ndarray,
    dev_FN: np.ndarray,
    weight_decay_F: np.ndarray,
) -> None:
    rows, count = len(x_ND), len(weight_decay_F)
    if labels_N.shape != (rows,) or train_FN.shape != (count, rows) or dev_FN.shape != (count, rows):
        raise UsageError(
            f"{rows} vectors and {count} classifiers need labels ({rows},) and masks ({count}, {rows}); got "
            f"{labels_N.shape}, {train_FN.shape}, {dev_FN.shape}"
        )
    if not (train_FN.any(axis=1) & dev_FN.any(axis=1)).all():
        raise UsageError("a classifier has no rows to learn from, or none to be stopped by")
    if (train_FN & dev_FN).any():
        raise UsageError("some rows are learnt from and set aside at once")
