"""The protocol ``masked``, without a model: what it scores, what it masks, and that zero stays zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from contrapose.contract import RunOutline, Views
from contrapose.errors import UsageError
from contrapose.maths.importance import ImportanceSums, keep_masks
from contrapose.protocols.mask_file import MASK_NAME
from contrapose.protocols.masked import MEASURES, Masked, scored

MATRIX, TABLE = "encoder.backbone.layer.weight", "encoder.backbone.words.weight"
NUM_STEPS, BATCH = 20, 6


class Toy:
    """Weights as a run has them, and gradients of a measure of ``W tanh(word)``, a batch per number."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(1)

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator))

        self.weights = {
            TABLE: weight(30, 5), MATRIX: weight(4, 5), "encoder.backbone.layer.bias": weight(4),
            "encoder.backbone.unused.weight": weight(3, 3), "encoder.head.weight": weight(4, 4),
            "objective.parts.mine.weight": weight(4, 4),
        }  # fmt: skip
        self.asked: list[int] = []

    def views(self, number: int) -> Views:
        words = torch.randint(0, 30, (2, BATCH), generator=torch.Generator().manual_seed(number))
        vectors = [torch.tanh(self.weights[TABLE][row]) @ self.weights[MATRIX].T for row in words]
        pooled = {"anchor@pooled": vectors[0], "positive@pooled": vectors[1]}
        return Views.pair(*vectors).with_views(**pooled)

    def gradient_of(self, number: int, measure: Callable[[Views], Tensor]) -> Mapping[str, Tensor]:
        self.asked.append(number)
        with torch.enable_grad():
            value = measure(self.views(number))
            reached = {name: self.weights[name] for name in (TABLE, MATRIX)}
            return dict(zip(reached, torch.autograd.grad(value, list(reached.values())), strict=True))


def attached(toy: Toy, **hyperparameters: Any) -> Masked:
    masked = Masked(**hyperparameters)
    masked.run = RunOutline(num_steps=NUM_STEPS, batch_size=BATCH, lookup_tables=frozenset({TABLE}))
    masked.attach(toy.weights, torch.arange(9), seed=0)
    return masked


def steps(masked: Masked, toy: Toy, until: int, begin: int = 0, optimizer: Any = None) -> None:
    """Train on alignment plus uniformity, hooks as the loop calls them, momentum and decay on."""
    optimizer = optimizer or torch.optim.AdamW(toy.weights.values(), lr=0.05, weight_decay=0.1)
    for step in range(begin, until):
        with torch.no_grad():
            if masked.inspects_at(step):
                masked.inspect(step, toy.weights, toy.gradient_of)
            masked.before(step, toy.weights)
        optimizer.zero_grad()
        sum(measure(toy.views(step)) for measure in MEASURES.values()).backward()
        with torch.no_grad():
            masked.after_backward(step, toy.weights)
            for name, mask in masked.masks().items():
                if toy.weights[name].grad is not None:
                    assert (toy.weights[name].grad[~mask] == 0).all()
        optimizer.step()
        with torch.no_grad():
            masked.after(step, toy.weights)


def test_only_matrices_of_the_pretrained_model_are_masked() -> None:
    toy = Toy()
    masked = attached(toy, sparsity=0.5, score_after=0.0)
    assert list(masked.masks()) == [MATRIX, "encoder.backbone.unused.weight"]
    steps(masked, toy, 3)
    masks = masked.masks()
    assert (~masks[MATRIX]).sum() == 10
    assert masks["encoder.backbone.unused.weight"].all(), "no gradient reaches it, so nothing is known of it"


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_masked_weights_stay_exactly_zero_through_momentum_and_decay(optimizer: str) -> None:
    toy = Toy()
    masked = attached(toy, sparsity=0.4, score_after=0.25)
    made: torch.optim.Optimizer = torch.optim.AdamW(toy.weights.values(), lr=0.05, weight_decay=0.1)
    if optimizer == "SGD":
        made = torch.optim.SGD(toy.weights.values(), lr=0.05, momentum=0.9, weight_decay=0.1)
    steps(masked, toy, 5, optimizer=made)
    assert (toy.weights[MATRIX] != 0).all()
    before = toy.weights[MATRIX].detach().clone()
    steps(masked, toy, NUM_STEPS, 5, optimizer=made)
    mask, weight = masked.masks()[MATRIX], toy.weights[MATRIX].detach()
    assert (~mask).sum() == 8
    assert (weight[~mask].view(torch.int32) == 0).all(), "zero to the bit, of positive sign"
    assert (weight[mask] != before[mask]).all(), "the others learn"


def test_without_the_protocol_the_same_steps_move_those_weights() -> None:
    """So the zeros above are held: momentum alone would move them."""
    toy = Toy()
    optimizer = torch.optim.AdamW(toy.weights.values(), lr=0.05, weight_decay=0.1)
    masked = attached(toy, sparsity=0.0, score_after=0.25)
    steps(masked, toy, 5, optimizer=optimizer)
    with torch.no_grad():
        toy.weights[MATRIX][0].zero_()
    steps(masked, toy, 7, 5, optimizer=optimizer)
    assert (toy.weights[MATRIX][0] != 0).all()


@pytest.mark.parametrize("scope", ["matrix", "global"])
@pytest.mark.parametrize("reduction", ["abs_mean", "mean_abs"])
def test_the_mask_is_that_of_the_scores_on_the_coming_batches(scope: Any, reduction: Any) -> None:
    toy = Toy()
    chosen = {"score_scope": scope, "score_reduction": reduction, "score_sentences": 20}
    masked = attached(toy, sparsity=0.3, score_after=0.0, **chosen)
    sums = ImportanceSums({MATRIX: toy.weights[MATRIX]}, reduction)
    for number in range(3):
        for measure, function in MEASURES.items():
            sums.add(measure, toy.gradient_of(number, function))
    expected = keep_masks(scored(sums, scope), 0.3, scope)[MATRIX]
    toy.asked.clear()
    with torch.no_grad():
        words = masked.inspect(0, toy.weights, toy.gradient_of)
    assert toy.asked == [0, 0, 1, 1, 2, 2], "20 sentences are three batches of six"
    assert torch.equal(masked.masks()[MATRIX], expected)
    assert "6 of 20 weights in 1 matrix were set to zero" in words


def test_weights_are_scored_once_at_the_share_of_the_steps() -> None:
    masked = attached(toy := Toy(), score_after=0.5)
    assert [masked.inspects_at(step) for step in (0, 9, 10, 11)] == [False, False, True, True]
    assert not masked.may_export()
    with torch.no_grad():
        masked.inspect(10, toy.weights, toy.gradient_of)
    assert not any(masked.inspects_at(step) for step in range(40))
    assert masked.may_export()
    masked.run = RunOutline(num_steps=100, batch_size=BATCH)
    assert not masked.inspects_at(50), "a run that is made longer keeps its mask"


def test_rewinding_puts_every_other_weight_back_and_restarts_the_optimizer() -> None:
    toy = Toy()
    start = {name: weight.detach().clone() for name, weight in toy.weights.items()}
    masked = attached(toy, sparsity=0.4, score_after=0.5, rewind=True)
    steps(masked, toy, 10)
    assert not torch.equal(toy.weights[MATRIX], start[MATRIX])
    with torch.no_grad():
        masked.inspect(10, toy.weights, toy.gradient_of)
    mask = masked.masks()[MATRIX]
    for name, weight in toy.weights.items():
        expected = start[name] * mask if name == MATRIX else start[name]
        assert torch.equal(weight, expected), name
    assert [masked.restarts_optimizer_at(step) for step in (9, 10, 11)] == [False, True, False]
    assert not any(attached(Toy()).restarts_optimizer_at(step) for step in range(20))


def test_the_mask_lies_in_the_state_and_goes_on_from_it() -> None:
    toy, other = Toy(), Toy()
    masked, again = (
        attached(toy, sparsity=0.4, score_after=0.0),
        attached(other, sparsity=0.4, score_after=0.0),
    )
    steps(masked, toy, 3)
    again.load_state_dict(masked.state_dict())
    assert torch.equal(masked.masks()[MATRIX], again.masks()[MATRIX])
    assert again.may_export()
    assert not again.inspects_at(3)


def test_a_gradient_that_is_not_finite_is_refused_rather_than_ranked() -> None:
    toy = Toy()
    masked = attached(toy, score_after=0.0)
    with torch.no_grad():
        toy.weights[MATRIX][0, 0] = float("nan")
    with pytest.raises(UsageError, match=r"the scores of encoder\.backbone\.layer\.weight are not finite"):
        masked.inspect(0, toy.weights, toy.gradient_of)


def write_mask(folder: Path, **masks: Tensor) -> Path:
    file = folder / MASK_NAME
    file.write_bytes(save(masks))
    return file


NAME = "backbone.layer.weight"


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_mask_of_a_file_holds_from_the_first_step_on(tmp_path: Path, as_folder: bool) -> None:
    mask = torch.rand(4, 5, generator=torch.Generator().manual_seed(3)) > 0.3
    file = write_mask(tmp_path, **{NAME: mask})
    masked = attached(toy := Toy(), mask_file=str(tmp_path if as_folder else file))
    assert masked.may_export()
    with torch.no_grad():
        masked.before(0, toy.weights)
    assert torch.equal(toy.weights[MATRIX] != 0, mask)
    steps(masked, toy, 4)
    assert torch.equal(toy.weights[MATRIX] != 0, mask)
    assert not toy.asked, "nothing is scored"


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        (
            {"backbone.other.weight": torch.ones(4, 5, dtype=torch.bool)},
            "has no matrix 'backbone.other.weight'",
        ),
        ({"backbone.words.weight": torch.ones(30, 5, dtype=torch.bool)}, "no matrix 'backbone.words.weight'"),
        ({NAME: torch.ones(5, 4, dtype=torch.bool)}, r"shape \(5, 4\), and a bool of shape \(4, 5\)"),
        ({NAME: torch.ones(4, 5)}, "is torch.float32"),
        ({}, "is empty"),
    ],
)
def test_a_mask_of_another_model_is_refused(tmp_path: Path, masks: dict[str, Tensor], words: str) -> None:
    file = write_mask(tmp_path, **masks)
    with pytest.raises(UsageError, match=words):
        attached(Toy(), mask_file=str(file))


def test_a_file_that_is_no_mask_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.safetensors").write_text("no mask")
    with pytest.raises(UsageError, match="cannot be read"):
        attached(Toy(), mask_file=str(tmp_path / "no.safetensors"))
    with pytest.raises(ValueError, match=r"there is no file .*mask\.safetensors"):
        Masked(mask_file=str(tmp_path))


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"rewind": True, "score_after": 0.0}, "rewind would be ignored with score_after=0"),
        ({"mask_file": "x", "sparsity": 0.1}, "would be ignored"),
        ({"mask_file": "x", "rewind": True}, "would be ignored"),
        ({"mask_file": "x", "score_scope": "global"}, "would be ignored"),
    ],
)
def test_what_would_be_ignored_is_refused(hyperparameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Masked(**hyperparameters)


def test_a_model_without_matrices_is_refused() -> None:
    masked = Masked()
    with pytest.raises(UsageError, match="no matrix that is trained"):
        masked.attach({"encoder.backbone.bias": torch.ones(3)}, torch.arange(3), seed=0)
