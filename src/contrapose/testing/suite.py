"""Every rule on every case of a method: what a test suite runs."""

from __future__ import annotations

from dataclasses import dataclass

from contrapose.testing import rules_loss, rules_memory, rules_parts, rules_record, rules_repeats, rules_views
from contrapose.testing.cases import Case, cases_of
from contrapose.testing.rules import Rule


@dataclass(frozen=True)
class Check:
    """A rule and a case; call it."""

    rule: Rule
    case: Case

    def __str__(self) -> str:
        return f"{self.rule.name}-{self.case}"

    def __call__(self) -> None:
        self.rule.check(self.case)


def all_rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the page that lists them."""
    files = (rules_record, rules_loss, rules_views, rules_repeats, rules_parts, rules_memory)
    return tuple(rule for file in files for rule in file.RULES)


def broken_by(case: Case) -> list[str]:
    """The rules that a case breaks, each with why; for a test suite that has one test a case."""
    broken = []
    for rule in all_rules():
        if rule.is_tried_on(case):
            try:
                rule.check(case)
            except Exception as error:  # a method may raise anything, and the next rule is tried all the same
                broken.append(f"{rule.name}: {type(error).__name__}: {error}")
    return broken


def checks(method: str) -> list[Check]:
    """Every rule on every case of a method, by its name or its file.

    In a test suite of your own:

        @pytest.mark.parametrize("check", contrapose.testing.checks("own_method.py"), ids=str)
        def test_my_method_keeps_the_contract(check):
            check()

    Raises UsageError where the method cannot be used at all.
    """
    cases = cases_of(method)
    return [Check(rule, case) for rule in all_rules() for case in cases if rule.is_tried_on(case)]
