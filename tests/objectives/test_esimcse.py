"""ESimCSE: the loss of several steps is that of the loops, and the queue holds what the slow copy said of anchors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from contrapose.contract import Companion, Views
from contrapose.errors import UsageError
from contrapose.negatives.momentum_queue import MomentumQueue
from contrapose.objectives.catalogue import loss, recipe
from contrapose.text.repetition import Repetition
from tests.reference.momentum_queue import losses_of_steps

ROWS, WIDTH, STEPS = 4, 3, 5
MOMENTUM, SIZE, TEMPERATURE = 0.7, 6, 0.3


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(anchor: Tensor, positive: Tensor, slow: Tensor) -> Views:
    return Views.pair(anchor, positive).with_views(**{"anchor@momentum": slow})


def test_the_losses_of_several_steps_and_their_gradient_are_those_of_the_loops() -> None:
    anchors, positives = drawn(STEPS, ROWS, WIDTH, seed=0), drawn(STEPS, ROWS, WIDTH, seed=1)
    weights = [drawn(WIDTH, WIDTH, seed=2 + step).requires_grad_() for step in range(STEPS)]
    options = {"momentum": MOMENTUM, "momentum_queue_size": SIZE, "temperature": TEMPERATURE}
    objective = recipe("esimcse", (), options).build(width=WIDTH).double()
    slow, ours, columns = weights[0].detach(), [], []
    for step, trained in enumerate(weights):
        slow = torch.lerp(slow, trained.detach(), 1 - MOMENTUM) if step else slow
        views = batch(anchors[step] @ trained.T, positives[step] @ trained.T, anchors[step] @ slow.T)
        outcome = objective(views).outcome
        ours.append(outcome.loss_B)
        columns.append(outcome.table.cosine_BC.shape[1])
        objective.observe(views)
    assert columns == [ROWS, ROWS + 4, ROWS + SIZE, ROWS + SIZE, ROWS + SIZE]

    def written(*moved: Tensor) -> Tensor:
        given = [each.tolist() for each in (anchors, positives)]
        rows = [each.tolist() for each in moved]
        told = losses_of_steps(*given, rows, momentum=MOMENTUM, size=SIZE, temperature=TEMPERATURE)
        return torch.tensor(told, dtype=torch.float64)

    torch.testing.assert_close(torch.stack(ours), written(*weights))
    # What is queued has no gradient: the slope of one step's own loss, with the queue as it was.
    (gradient,) = torch.autograd.grad(ours[-1].sum(), [weights[-1]])
    nudge = torch.zeros(WIDTH, WIDTH, dtype=torch.float64)
    nudge[1, 2] = 1e-5
    up, down = (written(*weights[:-1], weights[-1].detach() + sign * nudge)[-1].sum() for sign in (1, -1))
    assert gradient[1, 2].item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-5)


def test_the_slow_copy_s_anchors_are_remembered_and_not_the_positives() -> None:
    part = MomentumQueue(width=WIDTH, momentum_queue_size=8)
    slow = drawn(ROWS, WIDTH, seed=5)
    part.observe(batch(drawn(ROWS, WIDTH, seed=3), drawn(ROWS, WIDTH, seed=4), slow))
    (columns,) = part.columns(batch(slow, slow, slow))
    assert columns.vectors is not None
    expected = torch.nn.functional.normalize(slow).to(columns.vectors)
    torch.testing.assert_close(columns.vectors, expected)


def test_a_queued_text_is_no_negative_of_its_own_row() -> None:
    part = MomentumQueue(width=2, momentum_queue_size=8)
    texts = {"anchor": torch.tensor([5, 6]), "positive": torch.tensor([15, 16])}
    views = replace(batch(torch.eye(2), torch.eye(2), torch.eye(2)), text_ids=texts)
    part.observe(views)
    (columns,) = part.columns(replace(views, text_ids={**texts, "anchor": torch.tensor([7, 5])}))
    assert columns.counts((2, 2)).tolist() == [[True, True], [False, True]]


def test_without_a_queue_yet_it_is_simcse() -> None:
    anchor, positive = drawn(ROWS, WIDTH, seed=0), drawn(ROWS, WIDTH, seed=1)
    slow = {"anchor@momentum": anchor}
    ours = loss("esimcse", anchor, positive, views=slow).outcome.loss_B
    torch.testing.assert_close(ours, loss("simcse", anchor, positive).outcome.loss_B)


def test_it_is_made_of_repetition_and_a_slow_copy_and_has_the_paper_s_numbers() -> None:
    made = recipe("esimcse")
    (part,) = made.text_parts(["text"], max_words=32)
    assert isinstance(part, Repetition)
    assert made.needs.companions == (
        Companion(name="momentum", reads=("anchor",), momentum=0.995, through_head=True, same_width=True),
    )
    numbers = made.hyperparameters.model_dump()
    chosen = {name: numbers[name] for name in ("repetition_rate", "momentum", "momentum_queue_size")}
    assert chosen == {"repetition_rate": 0.32, "momentum": 0.995, "momentum_queue_size": 160}


def test_a_plain_queue_beside_it_is_kept_apart() -> None:
    objective = recipe("esimcse", ["queue"], {"queue_size": 8}).build(width=WIDTH).double()
    views = batch(*(drawn(ROWS, WIDTH, seed=seed) for seed in range(3)))
    objective.observe(views)
    assert list(objective(views).outcome.table.origins) == ["batch", "momentum_queue", "queue"]


def test_what_cannot_be_is_refused_by_name() -> None:
    for name, number in (("momentum", 1.0), ("momentum_queue_size", 0), ("repetition_rate", -0.1)):
        with pytest.raises(UsageError, match=name):
            recipe("esimcse", (), {name: number})
    with pytest.raises(ValueError, match="only what starts as the trained model fits its head"):
        Companion(name="other", source="some/model", through_head=True)
    with pytest.raises(UsageError, match="needs the view 'anchor@momentum'"):
        loss("esimcse", torch.eye(3), torch.eye(3))
