"""Every wrong number, word and combination is refused in one line, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import all_methods, all_parts, loss, recipe
from tests.contract.cases import CASES, COMPANIONS, Case, batch, choices


def out_of_range() -> Iterator[tuple[str, str, Any]]:
    """For every number of every method, as its record bounds it: just outside, not a number, not of its type."""
    for method in all_methods():
        for name, field in type(recipe(method).hyperparameters).model_fields.items():
            for bound in field.metadata:
                for word, step in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
                    if (limit := getattr(bound, word, None)) is not None:
                        yield method, name, limit + step
            if options := [choice for choice in choices(field.annotation) if isinstance(choice, str)]:
                yield method, name, options[0].upper()
                yield method, name, 1
            else:
                yield from ((method, name, wrong) for wrong in (float("nan"), float("inf"), "many", [1], {}))


TABLE = list(out_of_range())

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


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 100
    assert {method for method, _, _ in TABLE} == set(all_methods())


@pytest.mark.parametrize("method", all_methods())
def test_every_number_out_of_range_is_refused_by_name(method: str) -> None:
    for _, name, wrong in (row for row in TABLE if row[0] == method):
        with pytest.raises(UsageError) as refused:
            recipe(method, (), {name: wrong})
        reason = str(refused.value)
        assert name in reason, (name, wrong)
        assert "\n" not in reason, (name, wrong)
        assert method in reason, (name, wrong)


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
def test_the_limits_themselves_are_accepted(method: str) -> None:
    defaults = recipe(method).hyperparameters
    for name, field in type(defaults).model_fields.items():
        if getattr(defaults, name) is None or name in COMPANIONS["pool"]:
            continue  # takes a companion; see SENSELESS
        limits = [getattr(bound, word, None) for bound in field.metadata for word in ("ge", "le")]
        for limit in (limit for limit in limits if limit is not None and limit <= 100):
            assert getattr(recipe(method, (), {name: limit}).hyperparameters, name) == limit


@pytest.mark.parametrize("method", all_methods())
def test_the_defaults_can_be_given_in_full(method: str) -> None:
    defaults = recipe(method).hyperparameters.model_dump()
    assert defaults["temperature"] == 0.05
    assert recipe(method, (), defaults).hyperparameters.model_dump() == defaults


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_combination_builds_from_names_and_takes_plain_tensors(case: Case) -> None:
    anchor, positive, negative = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0)).unbind()
    plain = loss(case.method, anchor, positive, parts=case.parts, **case.numbers)
    triplets = loss(case.method, anchor, positive, negative, parts=case.parts, **case.numbers)
    assert plain.total.isfinite()
    assert triplets.outcome.logits_BC.shape[1] == plain.outcome.logits_BC.shape[1] + 4
    assert triplets.total > plain.total


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
