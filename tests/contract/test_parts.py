"""Parts that break a promise are found by the rules, and parts that cannot go together are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose import testing
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import recipe
from contrapose.testing import all_rules
from contrapose.testing.cases import Case, cases_of

EVERY_VERB = Path(__file__).parent / "every_verb.py"

PART = """
from dataclasses import replace
from typing import Annotated
import torch
from pydantic import Field
from contrapose.contract import Columns, Companion, Method, Needs, Part, Temperature
from contrapose.objectives.simcse import simcse

class Mine(Part):
    name, idea = "mine", "Mine."

    def __init__(self{arguments}):
        super().__init__()
        {begin}

{verb}

METHOD = Method(name="mine", idea="Mine.", paper="Me 2026, Mine", reference="https://example.org",
                objective=simcse, parts=(Mine,){more})
"""

#: rule -> (what the part's beginning holds, the verb that breaks it, the verb as it would be sound).
BREAKS: dict[str, tuple[str, str, str]] = {
    "a_filter_never_strikes_out_or_weighs_the_positive": (
        "pass",
        "def filter(self, views, table): return replace(table, valid_BC=torch.zeros_like(table.valid_BC))",
        "def filter(self, views, table): return table.without(torch.ones_like(table.valid_BC))",
    ),
    "a_filter_judges_columns_and_leaves_their_cosines": (
        "pass",
        "def filter(self, views, table): return replace(table, cosine_BC=table.cosine_BC / 2)",
        "def filter(self, views, table): return table.weighted(torch.ones_like(table.cosine_BC))",
    ),
    "what_a_part_needs_is_known_before_and_is_the_union": (
        "type(self).built = getattr(type(self), 'built', 0) + 1",
        "needs = property(lambda self: Needs(layers=(-2 - self.built,)), lambda self, value: None)",
        "def observe(self, views): pass",
    ),
    "a_part_reads_only_what_it_needs": (
        "pass",
        "def terms(self, views): return {'mine': 0.1 * len(views.by_name) * views.anchor.mean()}",
        "def terms(self, views): return {'mine': 0.1 * views.anchor.mean()}",
    ),
    "refresh_changes_buffers_alone": (
        "self.register_buffer('mean', torch.zeros(5)); self.found = None",
        "def refresh(self, step, row_ids, vectors_ND): self.found = vectors_ND.mean(0)",
        "def refresh(self, step, row_ids, vectors_ND): self.mean.copy_(vectors_ND.mean(0))",
    ),
    "a_loss_leaves_nothing_outside_the_state": (
        "self.count = 0; self.register_buffer('steps', torch.zeros(()))",
        "def observe(self, views): self.count += 1",
        "def observe(self, views): self.steps += 1",
    ),
    "terms_have_names_of_their_own_and_are_scalars": (
        "pass",
        "def terms(self, views): return {'mine': views.anchor.detach().mean()}",
        "def terms(self, views): return {'mine': views.anchor.mean()}",
    ),
    "total_is_the_mean_of_rows_and_the_sum_of_terms": (
        "pass",
        "def terms(self, views): return {'mine': views.anchor.mean() / 0}",
        "def terms(self, views): return {'mine': views.anchor.mean()}",
    ),
    "all_state_moves_and_is_saved": (
        "pass",
        "def attach(self, supplies): self.register_buffer('lost', torch.ones(3), persistent=False)",
        "def attach(self, supplies): self.register_buffer('kept', torch.ones(3))",
    ),
    "asking_for_a_loss_changes_no_state": (
        "self.register_buffer('asked', torch.zeros(()))",
        "def columns(self, views): self.asked += 1; return ()",
        "def columns(self, views): return ()",
    ),
}


def written(path: Path, begin: str = "pass", verb: str = "", arguments: str = "", more: str = "") -> Path:
    path.write_text(PART.format(begin=begin, verb=f"    {verb}", arguments=arguments, more=more))
    return path


def broken_by(path: Path, rule: str) -> list[str]:
    """Why the rule fails for the method as it is; the rule must be about it."""
    (tried,) = (each for each in all_rules() if each.name == rule)
    case = Case(str(path))
    assert tried.is_tried_on(case)
    try:
        tried.check(case)
    except Exception as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("rule", BREAKS)
def test_a_part_that_breaks_a_promise_is_found(rule: str, tmp_path: Path) -> None:
    begin, wrong, right = BREAKS[rule]
    if right.startswith(("def filter", "def terms", "def refresh")) or rule.startswith(
        ("all_", "a_loss", "asking", "what")
    ):
        assert broken_by(written(tmp_path / "sound.py", begin, right), rule) == []
    assert broken_by(written(tmp_path / "broken.py", begin, wrong), rule) != []


@pytest.mark.parametrize("case", [case for case in cases_of(str(EVERY_VERB)) if len(case.parts) < 2], ids=str)
def test_a_part_with_every_verb_keeps_every_rule(case: Case) -> None:
    assert testing.broken_by(case) == []


def test_two_parts_with_a_hyperparameter_of_one_name_are_refused_unless_they_share_the_annotation(
    tmp_path: Path,
) -> None:
    own = ', *, temperature: Annotated[float, Field(gt=0, description="of my own")] = 0.05'
    with pytest.raises(UsageError, match="'temperature' is a hyperparameter of simcse and of Mine"):
        recipe(str(written(tmp_path / "own.py", arguments=own)))
    shared = recipe(str(written(tmp_path / "shared.py", arguments=", *, temperature: Temperature = 0.05")))
    assert shared.hyperparameters.model_dump()["temperature"] == 0.05


def test_two_blocks_of_columns_of_one_origin_are_refused(tmp_path: Path) -> None:
    verb = "def columns(self, views): yield Columns(origin='queue', vectors=views.positive.detach().clone())"
    path = str(written(tmp_path / "queue.py", verb=verb))
    assert recipe(path).build(width=5)(Case(path).batch()).total.isfinite()
    with pytest.raises(ValueError, match="two blocks of columns come from 'queue'"):
        Case(path, ("queue",)).build()(Case(path).batch())


def test_two_parts_that_mean_two_models_by_one_name_are_refused(tmp_path: Path) -> None:
    begin = "self.needs = Needs(companions=(Companion(name='teacher', momentum=0.9),))"
    path = str(written(tmp_path / "mine.py", begin))
    assert [model.name for model in recipe(path).needs.companions] == ["teacher"]
    with pytest.raises(UsageError, match="two parts need a model called 'teacher'"):
        _ = recipe(path, ["teacher-filter"]).needs


def test_a_part_of_the_methods_own_file_cannot_be_added_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown part 'mine'"):
        recipe(str(written(tmp_path / "mine.py")), ["mine"])
