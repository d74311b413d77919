"""Every senseless combination is refused in one line, before anything is loaded. Ranges: contrapose.testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

from contrapose.contract import Needs
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import all_methods, all_parts, loss, recipe
from contrapose.testing.cases import Case, batch
from contrapose.testing.rules_record import out_of_range

SENSELESS: Sequence[tuple[str, Sequence[str], Mapping[str, Any], str]] = [
    ("hncse-hnm", (), {"pool": "queue"}, "pool_queue_size"),
    ("hncse-hnm", (), {"pool": "batch+queue"}, "pool_queue_size"),
    ("hncse-hnm", (), {"pool_queue_size": 64}, "pool"),
    ("hncse-hnm", (), {"alpha": 0.3, "alpha_beta": 1.0}, "alpha"),
    ("hncse-hnm", (), {"k": 2.5}, "k"),
    ("hncse-pm", (), {"near_weight": 0.3}, "near_mode"),
    ("hncse-pm", (), {"near_weight": 0.3, "near_mode": "search"}, "near_mode"),
    ("hncse-pm", (), {"search_angles": 8}, "near_mode"),
    ("hncse-pm", (), {"search_objective": "max-margin", "near_mode": "fixed"}, "near_mode"),
    ("hncse-pm", (), {"max_share": 0.5}, "near_mode"),
    ("hncse-pm", (), {"max_share": 0.0, "near_mode": "search"}, "max_share"),
    ("hncse-hnm", (), {"raw_vectors": True, "pool": "queue", "pool_queue_size": 8}, "raw_vectors"),
    ("hncse", (), {"raw_vectors": 2}, "raw_vectors"),
    ("focal-infonce", (), {"hard_negative_weight": 1.0}, "hard_negative_weight"),
    ("simcse", (), {"margin": 0.3}, "margin"),
    ("simcse", (), {"temprature": 0.1}, "Did you mean 'temperature'?"),
    ("simcse", (), {"queue_size": 8}, "queue_size"),
    ("simcse", (), {"width": 8}, "width"),
    ("simcse", (), {"": 8}, "unknown key"),
    ("simsce", (), {}, "Did you mean 'simcse'?"),
    ("", (), {}, "Known: "),
    ("simcse", ["mixed-negative"], {}, "Did you mean 'mixed-negatives'?"),
    ("simcse", ["nonsense"], {}, "Known: "),
    ("simcse", ["queue", "queue"], {}, "already"),
    ("hncse-hnm", ["mixed-negatives"], {}, "already"),
    ("hncse", ["mixed-positive"], {}, "already"),
]


def test_the_table_of_numbers_out_of_range_is_long_enough() -> None:
    assert sum(len(list(out_of_range(method))) for method in all_methods()) >= 100


@pytest.mark.parametrize(("method", "parts", "numbers", "reason"), SENSELESS)
def test_senseless_choices_are_refused_with_the_reason(
    method: str, parts: Sequence[str], numbers: Mapping[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError) as refused:
        recipe(method, parts, numbers)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_two_mistakes_give_two_lines() -> None:
    with pytest.raises(UsageError) as refused:
        recipe("focal-infonce", (), {"temperature": 0, "margin": -1})
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert "temperature" in lines[0]
    assert "margin" in lines[1]


@pytest.mark.parametrize("method", all_methods())
def test_the_temperature_is_that_of_simcse(method: str) -> None:
    assert recipe(method).hyperparameters.model_dump()["temperature"] == 0.05


@pytest.mark.parametrize("method", [name for name in all_methods() if recipe(name).needs == Needs()])
def test_given_negatives_make_the_task_harder(method: str) -> None:
    anchor, positive, negative = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0)).unbind()
    assert loss(method, anchor, positive, negative).total > loss(method, anchor, positive).total


def test_parts_added_to_a_method_are_all_at_work() -> None:
    views = batch()
    objective = Case("hncse-hnm", ("queue", "mixed-positive")).build()
    result = objective(views)
    assert set(result.outcome.table.origins) == {"batch", "mixed", "queue"}
    assert result.stats["share_far"] < 1


def test_each_part_has_its_own_numbers() -> None:
    """The queue beside the batch and the queue that mixtures are made from are two things."""
    both = recipe("hncse-hnm", ["queue"], {"queue_size": 5, "pool": "queue", "pool_queue_size": 3}).build(
        width=2
    )
    sizes = [len(buffer) for name, buffer in both.named_buffers() if name.endswith("vectors_MD")]
    assert sorted(sizes) == [3, 5]


def test_the_catalogue_cannot_be_changed() -> None:
    for frozen in (all_methods(), all_parts()):
        with pytest.raises(TypeError):
            frozen["mine"] = None  # type: ignore[index]
    with pytest.raises(Exception, match="frozen"):
        recipe("simcse").hyperparameters.temperature = 1.0  # type: ignore[attr-defined]
