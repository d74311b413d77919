"""Every method of the catalogue keeps every rule of contrapose.testing; and the rules can be broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from contrapose import objectives
from contrapose.objectives import catalogue
from contrapose.objectives.catalogue import all_methods, all_parts, describe, loss, recipe
from contrapose.testing import all_rules, broken_by, cases
from contrapose.testing.__main__ import main
from contrapose.testing.cases import Case, cases_of, choices, is_mixture, is_random, switched
from contrapose.testing.rules_memory import remembers

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_method.py"
#: A part that uses every verb, since no method does.
EVERY_VERB = Path(__file__).parent / "every_verb.py"


@pytest.mark.parametrize("case", [case for name in all_methods() for case in cases_of(name)], ids=str)
def test_every_method_keeps_every_rule(case: Case) -> None:
    """One test a case and not a rule: thousands of tests cost more than what they try."""
    assert broken_by(case) == []


@pytest.mark.parametrize("case", [case for case in cases_of(str(EXAMPLE)) if len(case.parts) < 2], ids=str)
def test_methods_from_files_keep_the_same_rules(case: Case) -> None:
    assert broken_by(case) == []


def test_a_contrastive_loss_may_be_negative() -> None:
    """The positive is not in DCL's denominator."""
    views = torch.eye(4), torch.eye(4)
    assert loss("dcl", *views).total < 0
    assert loss("dcl", *views, temperature=1.0).total == pytest.approx(torch.tensor(3.0).log() - 1)


def test_a_case_that_breaks_rules_is_told_with_each_of_them(tmp_path: Path) -> None:
    broken = write(tmp_path / "broken.py", BREAKS["a_number_that_is_none_is_never_hidden"])
    (said,) = broken_by(Case(str(broken)))
    assert said.startswith("a_number_that_is_none_is_never_hidden: AssertionError: nan in one anchor of 1")


def test_every_part_is_tried_with_every_rule_on_each_equation_and_no_rule_is_left_out_of_pairs_alone() -> (
    None
):
    """What is tried on mixtures of parts is tried on each part alone as well."""
    equations = {recipe(name).method.objective for name in all_methods()}
    whole = [case for name in all_methods() for case in cases_of(name) if not is_mixture(case)]
    for equation in equations:
        named = [case for case in whole if recipe(case.method).method.objective is equation]
        tried = {part for case in named for part in case.parts}
        methods = {case.method for case in named}
        excluded = {name for method in methods for name in describe(method)[0]["excludes"]}
        own = {part.name for method in methods for part in recipe(method).parts}
        assert set(all_parts()) <= tried | own | excluded, equation
    assert sum(rule.of_one_part for rule in all_rules()) < len(all_rules()) - 8


def test_the_rules_are_tried_on_every_method_part_switch_and_pair() -> None:
    cases = [case for name in all_methods() for case in cases_of(name)]
    assert {case.method for case in cases} == set(all_methods()) >= {"simcse", "focal-infonce", "hncse"}
    assert {part for case in cases for part in case.parts} == set(all_parts())
    for name in all_methods():
        switches = type(recipe(name).hyperparameters).model_fields
        tried = {number for case in cases if case.method == name for number in case.numbers}
        assert {switch for switch, field in switches.items() if choices(field.annotation)} <= tried, name
    assert sum(len(case.parts) == 2 for case in cases) >= 5
    assert sum(remembers(case) for case in cases if not is_mixture(case)) >= 6
    assert {is_random(Case(name)) for name in all_methods()} == {True, False}


def test_every_rule_applies_to_some_case_and_has_a_name_of_its_own() -> None:
    rules = all_rules()
    assert len({rule.name for rule in rules}) == len(rules) >= 30
    methods = [*all_methods(), str(EVERY_VERB)]
    cases = [case for name in methods for case in cases_of(name)]
    assert [rule.name for rule in rules if not any(rule.applies(case) for case in cases)] == []


EQUATION = """
from typing import Annotated
import torch
from pydantic import Field
from contrapose.maths.reduce import softmax_loss, to_logits
from contrapose.contract import Method, Outcome, ScoreTable, Temperature, Views

def equation(
    table: ScoreTable, views: Views, /, *, temperature: Temperature = 0.05{numbers}
) -> Outcome:
    cosine_BC = table.cosine_BC
    logits_BC = to_logits(cosine_BC, table, temperature)
    loss_B = softmax_loss(logits_BC, table.positive_B)
    {line}
    return Outcome(loss_B=loss_B, logits_BC=logits_BC, table=table)

METHOD = Method(name="mine", idea="Mine{stop}", paper="Me 2026, Mine", reference="https://example.org",
                objective=equation)
"""

#: rule -> the line that breaks it (and numbers in the signature).
BREAKS = {
    "total_is_the_mean_of_rows_and_the_sum_of_terms": "loss_B = loss_B[:-1]",
    "gradient_is_the_slope_of_the_loss": "loss_B = loss_B * loss_B.detach()",
    "both_views_get_a_gradient": "loss_B = loss_B.detach() + 0 * cosine_BC.sum(1)",
    "one_row_alone_has_no_loss": "loss_B = loss_B + 1",
    "loss_and_gradient_are_finite_at_the_edges": "loss_B = loss_B + 0 * (1 - cosine_BC).clamp_min(0).sqrt().sum(1)",
    "half_precision_is_computed_in_fp32": "loss_B = loss_B.to(views.anchor.dtype)",
    "a_number_that_is_none_is_never_hidden": "loss_B = loss_B.nan_to_num()",
    "inputs_are_not_touched": "views.anchor.detach().add_(0)",
    "length_of_embeddings_does_not_matter": "loss_B = loss_B * views.anchor.norm()",
    "order_of_rows_does_not_matter": "loss_B = loss_B * torch.arange(1, len(loss_B) + 1)",
    "same_seed_and_step_give_the_same_bits": "loss_B = loss_B * (1 + torch.rand(()))",
    "randomness_follows_seed_and_step": "loss_B = loss_B * (1 + views.step)",
    "repeated_text_has_no_share_and_exactly_no_gradient": "logits_BC = cosine_BC / temperature",
    "repeated_text_is_nobodys_hardest_negative": "loss_B = softmax_loss(cosine_BC / temperature, table.positive_B)",
    "texts_that_all_differ_change_nothing": "loss_B = loss_B * (2 if views.text_ids else 1)",
    "repeats_change_the_loss_of_their_rows": "loss_B = cosine_BC.sum(1)",
    "it_takes_plain_tensors_and_given_negatives": "logits_BC = logits_BC[:, : views.num_rows]",
}


def failing(path: Path, rule: str) -> list[str]:
    """Why the rule fails for the method as it is, and with each of its switches; it must be about one of them."""
    (tried,) = (each for each in all_rules() if each.name == rule)
    cases = [case for case in (Case(str(path)), *switched(str(path))) if tried.is_tried_on(case)]
    assert cases
    broken = []
    for case in cases:
        try:
            tried.check(case)
        except Exception as error:
            broken.append(str(error))
    return broken


def write(path: Path, line: str = "pass", numbers: str = "", stop: str = ".") -> Path:
    path.write_text(EQUATION.format(line=line, numbers=numbers, stop=stop))
    return path


@pytest.mark.parametrize("rule", BREAKS)
def test_a_method_that_breaks_a_rule_is_found(rule: str, tmp_path: Path) -> None:
    assert failing(write(tmp_path / "sound.py"), rule) == []
    assert failing(write(tmp_path / "broken.py", BREAKS[rule]), rule) != []


def test_a_record_that_says_too_little_is_found(tmp_path: Path) -> None:
    complete = "the_record_of_the_paper_is_complete"
    assert failing(write(tmp_path / "a.py", stop=""), complete) == [
        "idea: a sentence that ends with a full stop"
    ]
    assert failing(write(tmp_path / "b.py", numbers=", more: bool = False"), complete) == [
        "hyperparameters without a description: ['more']"
    ]
    unbounded = 'more: Annotated[str, Field(description="more")] = "a"'
    refused = failing(
        write(tmp_path / "c.py", numbers=f", {unbounded}"), "every_number_out_of_range_is_refused_by_name"
    )
    assert "more" in refused[0]


def test_a_switch_that_is_called_detach_and_does_not_is_found(tmp_path: Path) -> None:
    switch = ', detach_it: Annotated[bool, Field(description="a constant")] = False'
    idle = write(tmp_path / "idle.py", numbers=switch)
    assert failing(idle, "detaching_changes_the_gradient_alone") == ["the gradient did not change"]
    cuts = write(tmp_path / "cuts.py", "loss_B = loss_B.detach() if detach_it else loss_B", numbers=switch)
    assert "the gradient did not change" not in failing(cuts, "detaching_changes_the_gradient_alone")


def test_on_the_command_line_a_sound_file_keeps_all_and_a_broken_one_says_what_is_broken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"queue": all_parts()["queue"]}
    monkeypatch.setattr(cases, "all_parts", lambda: parts)
    assert main([str(EXAMPLE)]) == 0
    said = capsys.readouterr().out
    assert "BROKEN" not in said
    assert "rules kept over" in said
    broken = write(tmp_path / "broken.py", BREAKS["a_number_that_is_none_is_never_hidden"])
    assert main([str(broken)]) == 1
    said = capsys.readouterr().out
    assert "BROKEN  a_number_that_is_none_is_never_hidden" in said
    assert "nan in one anchor of 1 gives a loss of" in said
    assert main(["nowhere.py"]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main([]) == 2


def test_the_example_put_into_the_package_is_found_and_keeps_every_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is edited: the folder of the package's methods has one file more."""
    (tmp_path / "own_method.py").write_text(EXAMPLE.read_text())
    monkeypatch.setattr(objectives, "__path__", [*objectives.__path__, str(tmp_path)])
    catalogue._catalogue.cache_clear()
    try:
        assert set(catalogue.all_methods()) > {"hardest-hinge", "simcse"}
        assert any(method["name"] == "hardest-hinge" for method in catalogue.describe())
        for case in (Case("hardest-hinge"), *switched("hardest-hinge")):
            assert broken_by(case) == []
    finally:
        catalogue._catalogue.cache_clear()
        sys.modules.pop("contrapose.objectives.own_method", None)
        vars(objectives).pop("own_method", None)


def test_the_rules_need_no_pytest() -> None:
    """A user has none: it is a tool of development."""
    code = "import sys; sys.modules['pytest'] = None; from contrapose.testing.__main__ import main; main(['x.py'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no such file" in done.stderr
