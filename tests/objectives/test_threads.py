"""With several threads, equal batches give equal bits: what is added up in the order of threads would not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from contrapose.contract import Views
from contrapose.objectives.catalogue import all_methods, all_parts, recipe
from contrapose.testing.toys import beside, supplies, tokens

#: Rows and width: a part of a sum must be worth a thread of its own. Repeats add up where threads could meet.
ROWS, WIDTH, TIMES = 64, 384, 12
CASES = [
    *((method, (), {}) for method in all_methods()),
    *(("simcse", (part,), {}) for part in all_parts()),
    ("hncse", (), {"gap_threshold": 1.0}),
    ("hncse", (), {"gap_threshold": 1.0, "raw_vectors": True}),
]


@pytest.fixture(autouse=True)
def several_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def gradient(method: str, parts: tuple[str, ...], numbers: dict[str, object]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    anchor = torch.randn(ROWS, WIDTH, generator=generator)
    # One row is the hardest negative of all others: its gradient is a sum over the batch.
    positive = anchor + 0.3 * torch.randn(ROWS, WIDTH, generator=generator) + 2 * anchor[:1]
    pair = [anchor.requires_grad_(), positive.requires_grad_()]
    objective = recipe(method, parts, numbers).build(width=WIDTH)
    objective.attach(supplies(objective.needs, WIDTH))
    objective(beside(Views.pair(*pair, tokens=tokens(ROWS, 0)), objective.needs)).total.backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in pair)
    return torch.stack([view.grad for view in pair if view.grad is not None])


@pytest.mark.parametrize(("method", "parts", "numbers"), CASES)
def test_the_gradient_has_the_same_bits_each_time(
    method: str, parts: tuple[str, ...], numbers: dict[str, object]
) -> None:
    first = gradient(method, parts, numbers)
    for _ in range(TIMES):
        assert torch.equal(gradient(method, parts, numbers), first)
