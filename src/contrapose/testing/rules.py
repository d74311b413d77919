"""What a rule is: a promise that every method keeps, tried on one case at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contrapose.testing.cases import Case, is_mixture

#: Decides whether a rule is about a case.
Applies = Callable[[Case], bool]


def every(case: Case) -> bool:
    """The method as it is, each switch, each part and pair."""
    return True


def alone(case: Case) -> bool:
    """The method as it is: for rules about its record and its numbers."""
    return not case.parts and not case.numbers


def contrasts_other_texts(case: Case) -> bool:
    """Being told apart from other texts is all there is: no column holds the row's own text on purpose, as inner
    layers' do, and no teacher says how near each column is to be."""
    return not case.has_own_text and not case.follows_a_teacher


@dataclass(frozen=True)
class Rule:
    """A promise, and which cases it is for.

    check          raises AssertionError where a case breaks the promise
    applies        which cases it is about
    of_one_part    whether parts that keep it one by one keep it together: then it is not tried on mixtures of them
    """

    check: Callable[[Case], None]
    applies: Applies = every
    of_one_part: bool = False

    def is_tried_on(self, case: Case) -> bool:
        """Whether the rule is about a case, and no smaller case says the same."""
        return not (self.of_one_part and is_mixture(case)) and self.applies(case)

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def words(self) -> str:
        """What is promised, and why."""
        return " ".join((self.check.__doc__ or self.name.replace("_", " ")).split())


def must(condition: object, words: str) -> None:
    """An assertion that stays under ``python -O`` and says what was expected.

    >>> must(1 + 1 == 2, "arithmetic")
    """
    if not bool(condition):
        raise AssertionError(words)
