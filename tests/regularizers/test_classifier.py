"""The classifier of core-tuning: soft cross entropy over originals and mixtures, as the loops say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Supplies, Views
from contrapose.errors import UsageError
from contrapose.maths.mixup import beta_shares, drawn_partner
from contrapose.objectives.catalogue import loss, recipe
from contrapose.regularizers.classifier import Classifier
from tests.reference.hard_pairs import classification

ROWS, WIDTH, CLASSES, SEED, STEP = 6, 4, 3, 5, 3
LABELS = [0, 1, 2, 0, 1, 0]


def part(**options: Any) -> Classifier:
    made = Classifier(**options).double()
    made.attach(Supplies(width=2, pooled_width=WIDTH, num_classes=CLASSES, seed=1))
    return made.double()


def batch(labels: list[int] = LABELS) -> Views:
    random = torch.Generator().manual_seed(0)
    vectors = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64).requires_grad_()
    head = torch.zeros(ROWS, 2, dtype=torch.float64)
    return Views.pair(head, head, seed=SEED, step=STEP, labels=torch.tensor(labels)).with_views(
        **{"anchor@pooled": vectors}
    )


def by_loops(vectors: Tensor, weights: Tensor, labels: list[int], *, mixed: bool) -> float:
    others = ~torch.eye(ROWS, dtype=torch.bool)
    drawn: dict[str, Any] = {
        "positive_shares": beta_shares(0.7, ROWS, SEED, "classifier", STEP, "hard positives").tolist(),
        "negative_shares": beta_shares(
            0.7, ROWS, SEED, "classifier", STEP, "hard negatives", least=0.8
        ).tolist(),
        "partners": drawn_partner(others, SEED, "classifier", STEP, "partner")[0].tolist(),
    }
    return classification(vectors.tolist(), labels, weights.tolist(), **(drawn if mixed else {}))


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("labels", [LABELS, [2] * ROWS, [0, 1, 1, 1, 1, 1]])
def test_equals_the_loops_in_loss_and_gradient(mixed: bool, labels: list[int]) -> None:
    made, views = part(mixed_rows=mixed, mixup_shape=0.7, classifier_weight=3.0), batch(labels)
    vectors, weights = views.by_name["anchor@pooled"], made.head.weight
    term = made.terms(views)["classification"]
    assert term.item() == pytest.approx(3.0 * by_loops(vectors, weights, labels, mixed=mixed), rel=1e-12)
    for place, gradient in enumerate(torch.autograd.grad(term, [vectors, weights])):
        step = torch.zeros_like(gradient)
        step[1, 2] = 1e-5
        up, down = (
            by_loops(
                vectors.detach() + sign * step if place == 0 else vectors,
                weights.detach() + sign * step if place == 1 else weights,
                labels,
                mixed=mixed,
            )
            for sign in (1, -1)
        )
        assert gradient[1, 2].item() == pytest.approx(3.0 * (up - down) / 2e-5, rel=1e-5, abs=1e-8)


def test_plain_cross_entropy_is_that_of_torch() -> None:
    made, views = part(mixed_rows=False), batch()
    logits = made.head(views.by_name["anchor@pooled"])
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))
    torch.testing.assert_close(made.terms(views)["classification"], expected)
    told = (logits.argmax(1) == torch.tensor(LABELS)).float().mean()
    assert made.statistics["classifier_accuracy"] == told
    assert torch.equal(made.classify(views.by_name["anchor@pooled"]), logits.argmax(1))


def test_detached_originals_still_train_the_classifier() -> None:
    whole, cut = part(), part(detach_originals=True)
    views = batch()
    vectors = views.by_name["anchor@pooled"]
    terms = [made.terms(views)["classification"] for made in (whole, cut)]
    assert torch.equal(*terms)
    of_encoder = [torch.autograd.grad(term, vectors, retain_graph=True)[0] for term in terms]
    of_head = [
        torch.autograd.grad(term, made.head.weight)[0] for term, made in zip(terms, (whole, cut), strict=True)
    ]
    assert torch.dist(*of_encoder) > 1e-3
    torch.testing.assert_close(of_head[0], of_head[1])


def test_the_weights_follow_the_seed() -> None:
    one, same, other = (Classifier() for _ in range(3))
    for made, seed in ((one, 1), (same, 1), (other, 2)):
        made.attach(Supplies(width=WIDTH, num_classes=CLASSES, seed=seed))
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves the encoder nothing to learn from"):
        recipe("simcse", ["classifier"], {"mixed_rows": False, "detach_originals": True})
    with pytest.raises(UsageError, match="needs labels beside vectors"):
        loss("simcse", torch.eye(3), torch.eye(3), parts=["classifier"])
