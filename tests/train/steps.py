"""One step's ingredients for tests: a tokenized batch without a corpus, and the gradients it left."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from contrapose.encoder.encoder import Encoder
from contrapose.train.batches import Batch, text_hashes
from contrapose.train.step import StepPlan, TokenizedBatch, tokenize
from tests.train.runs import texts


def batch_of(
    rows: int,
    *,
    views: int = 2,
    step: int = 4,
    further: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> Batch:
    """Rows of different texts; every view but the first two is of other texts still. further: names of more views;
    targets: names of what the loss is to reproduce, a number for every row and every text but the anchors."""
    names = ("anchor", "positive", *(f"negative_{number}" for number in range(1, views - 1)), *further)
    shown = [texts(rows, seed=max(0, number - 1), fewest=2) for number in range(len(names))]
    made = dict(zip(names, shown, strict=True))
    random = torch.Generator().manual_seed(step)
    return Batch(
        step=step,
        row_ids=torch.arange(rows) + 40,
        texts=made,
        text_ids={name: text_hashes(view) for name, view in made.items()},
        targets={name: torch.rand(rows, rows * (len(names) - 1), generator=random) for name in targets},
    )


def tokenized(encoder: Encoder, rows: int, plan: StepPlan, *, views: int = 2) -> TokenizedBatch:
    needs = plan.needs
    return tokenize(encoder, batch_of(rows, views=views, further=needs.texts, targets=needs.targets), plan)


def gradients(modules: nn.Module) -> dict[str, Tensor]:
    """A copy of every gradient there is."""
    return {
        name: parameter.grad.clone()
        for name, parameter in modules.named_parameters()
        if parameter.grad is not None
    }


def assert_same_gradients(expected: dict[str, Tensor], got: dict[str, Tensor], within: float = 0.0) -> None:
    """The difference of all gradients together, relative to their length, is at most ``within``."""
    assert expected.keys() == got.keys()
    length = sum(float(gradient.double().square().sum()) for gradient in expected.values()) ** 0.5
    assert length > 0
    apart = sum(float((expected[name] - got[name]).double().square().sum()) for name in expected) ** 0.5
    assert apart <= within * length, f"{apart / length:.2e} apart"
