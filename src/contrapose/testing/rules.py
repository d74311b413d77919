"""What a rule is: a promise that every method keeps, tried on one case at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contrapose.testing.cases import Case, cases_of

#: Decides whether a rule is about a case.
Applies = Callable[[Case], bool]


def every(case: Case) -> bool:
    """The method as it is, each switch, each part and pair."""
    return True


def alone(case: Case) -> bool:
    """The method as it is: for rules about its record and its numbers."""
    return not case.parts and not case.numbers


def contrasts_other_texts(case: Case) -> bool:
    """No column holds the row's own text on purpose, as inner layers' do."""
    return not case.has_own_text


@dataclass(frozen=True)
class Rule:
    """check: raises AssertionError where a case breaks the promise; applies: which cases it is for."""

    check: Callable[[Case], None]
    applies: Applies = every

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def words(self) -> str:
        """What is promised, and why."""
        return " ".join((self.check.__doc__ or self.name.replace("_", " ")).split())


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
    from contrapose.testing import rules_loss, rules_memory, rules_record, rules_repeats, rules_views

    rooms = (rules_record, rules_loss, rules_views, rules_repeats, rules_memory)
    return tuple(rule for room in rooms for rule in room.RULES)


def checks(method: str) -> list[Check]:
    """Every rule on every case of a method, by its name or its file.

    In a test suite of your own:

        @pytest.mark.parametrize("check", contrapose.testing.checks("own_method.py"), ids=str)
        def test_my_method_keeps_the_contract(check):
            check()

    Raises UsageError where the method cannot be used at all.
    """
    cases = cases_of(method)
    return [Check(rule, case) for rule in all_rules() for case in cases if rule.applies(case)]


def must(condition: object, words: str) -> None:
    """An assertion that stays under ``python -O`` and says what was expected.

    >>> must(1 + 1 == 2, "arithmetic")
    """
    if not bool(condition):
        raise AssertionError(words)
