"""Many logistic regressions at once: what one alone would be, and what scikit-learn finds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from contrapose.errors import UsageError
from contrapose.evaluate.logistic import ClassifierTraining, fit_all

ROWS, WIDTH = 600, 8


def blobs(classes: int = 3, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, ROWS)
    centres = generator.normal(size=(classes, WIDTH)) * 1.2
    return (centres[labels] + spread * generator.normal(size=(ROWS, WIDTH))).astype(np.float32), labels


def masks(count: int, dev_every: int = 5) -> tuple[np.ndarray, np.ndarray]:
    dev = np.arange(ROWS) % dev_every == 0
    return np.tile(~dev, (count, 1)), np.tile(dev, (count, 1))


def test_a_classifier_is_the_same_alone_and_among_others() -> None:
    """Also when the others stop at other times, and learn from other rows."""
    x, labels = blobs()
    train, dev = masks(3)
    train[1, ::2] = False
    train[2, 1::2] = False
    decays = np.array([1e-5, 1e-2, 1e-3])
    together = fit_all(x, labels, train_FN=train, dev_FN=dev, weight_decay_F=decays)
    assert len(set(together.epochs_F.tolist())) > 1, "they must not all stop at once"
    # Alone, its block is as large as the shared one: the share of rows decides it.
    share = train.mean()
    for number in range(3):
        alone = fit_all(
            x,
            labels,
            train_FN=train[number : number + 1],
            dev_FN=dev[number : number + 1],
            weight_decay_F=decays[number : number + 1],
            training=ClassifierTraining(batch_size=round(64 / share * train[number].mean())),
        )
        assert alone.epochs_F[0] == together.epochs_F[number]
        torch.testing.assert_close(
            alone.weight_CFD[:, 0], together.weight_CFD[:, number], atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_gradient_is_that_of_torch(optimizer: str) -> None:
    """One step on all rows, written with autograd and torch's optimizer."""
    x, labels = blobs()
    train, dev = masks(1)
    training = ClassifierTraining(optimizer=optimizer, batch_size=ROWS, epoch_size=1, max_epochs=0)
    ours = fit_all(
        x, labels, train_FN=train, dev_FN=dev, weight_decay_F=np.array([0.1]), training=training, seed=3
    )

    from contrapose.seeds import torch_generator

    start = (2 * torch.rand(WIDTH + 1, 1, 3, generator=torch_generator(3, "classifier")) - 1) / WIDTH**0.5
    weight = torch.nn.Parameter(start[:, 0].clone())
    made = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[optimizer]([weight], weight_decay=0.1)
    rows = torch.from_numpy(train[0])
    x1 = torch.cat([torch.from_numpy(x), torch.ones(ROWS, 1)], dim=1)
    torch.nn.functional.cross_entropy((x1 @ weight)[rows], torch.from_numpy(labels)[rows]).backward()
    made.step()
    torch.testing.assert_close(ours.weight_CFD[:, 0].T, weight.detach(), atol=1e-6, rtol=1e-5)


def test_it_finds_what_scikit_learn_finds() -> None:
    linear_model = pytest.importorskip(
        "sklearn.linear_model", reason="scikit-learn comes with the extra 'st'"
    )
    x, labels = blobs(spread=1.5)
    train, dev = masks(1, dev_every=4)
    test_x, test_labels = blobs(spread=1.5, seed=0)
    ours = fit_all(x, labels, train_FN=train, dev_FN=dev, weight_decay_F=np.array([1e-5])).predict(test_x)[0]
    theirs = linear_model.LogisticRegression(max_iter=1000).fit(x[train[0]], labels[train[0]]).predict(test_x)
    assert abs((ours == test_labels).mean() - (theirs == test_labels).mean()) < 0.02


def test_labels_without_meaning_are_found_by_chance_only() -> None:
    x, labels = blobs()
    shuffled = np.random.default_rng(1).permutation(labels)
    train, dev = masks(1, dev_every=2)
    found = fit_all(x, shuffled, train_FN=train, dev_FN=dev, weight_decay_F=np.array([1e-3]))
    assert found.predict(x)[0][dev[0]].shape == (300,)
    assert (found.predict(x)[0][dev[0]] == shuffled[dev[0]]).mean() < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {**a, "labels_N": a["labels_N"][1:]}, "need labels"),
        (lambda a: {**a, "train_FN": a["train_FN"] & False}, "no rows to learn from"),
        (lambda a: {**a, "dev_FN": a["train_FN"]}, "learnt from and set aside"),
    ],
)
def test_wrong_masks_are_refused(change, message: str) -> None:
    x, labels = blobs()
    train, dev = masks(1)
    given = {"labels_N": labels, "train_FN": train, "dev_FN": dev, "weight_decay_F": np.array([0.0])}
    with pytest.raises(UsageError, match=message):
        fit_all(x, **change(given))


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(UsageError, match="use adam or rmsprop"):
        ClassifierTraining(optimizer="sgd")
