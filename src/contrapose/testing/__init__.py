"""The rules that every method keeps, for the methods of this package and for yours.

    python -m contrapose.testing own_method.py        a file
    python -m contrapose.testing my-method            a method that an installed package offers

``checks`` gives the same rules to a test suite of your own. docs/adding-a-method.md lists them. pytest is not needed.
"""

from contrapose.testing.rules import Rule
from contrapose.testing.suite import Check, all_rules, broken_by, checks

__all__ = ["Check", "Rule", "all_rules", "broken_by", "checks"]
