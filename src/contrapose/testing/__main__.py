"""``python -m contrapose.testing METHOD|FILE.py ...``: every rule on every case, a line each; exit code 1 where one is
broken."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from itertools import groupby

from contrapose.errors import UsageError
from contrapose.testing.suite import Check, checks

#: Cases that are named of a rule that many break.
NAMED = 3


def main(arguments: Sequence[str]) -> int:
    """0 kept, 1 broken, 2 no method of that name."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    if not arguments or any(argument.startswith("-") for argument in arguments):
        _say("usage: python -m contrapose.testing METHOD|FILE.py ...")
        return 0 if {"-h", "--help"} & set(arguments) else 2
    broken = 0
    for method in arguments:
        try:
            to_run = checks(method)
        except UsageError as error:
            print(f"error: {error}", file=sys.stderr)  # noqa: T201
            return 2
        broken += _run(method, to_run)
    return 1 if broken else 0


def _run(method: str, to_run: Sequence[Check]) -> int:
    """Every rule with what broke it; how many rules are broken."""
    broken = total = 0
    for rule, group in groupby(to_run, key=lambda check: check.rule):
        tried = list(group)
        failed = [(check, reason) for check in tried if (reason := _failure(check))]
        _say(f"{'BROKEN' if failed else 'kept  '}  {rule.name} ({len(tried)} cases)")
        if failed:
            _say(f"        {rule.words}")
        for check, reason in failed[:NAMED]:
            _say(f"        {check.case}: {reason}")
        if len(failed) > NAMED:
            _say(f"        and {len(failed) - NAMED} more cases")
        broken, total = broken + bool(failed), total + 1
    _say(f"{method}: {total - broken} of {total} rules kept over {len(to_run)} checks")
    return broken


def _failure(check: Check) -> str:
    """Why a check fails, in a line; "" where it does not."""
    try:
        check()
    except Exception as error:  # a method may raise anything, and the next rule is tried all the same
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return first if isinstance(error, AssertionError) and first else f"{type(error).__name__}: {first}"
    return ""


def _say(line: str) -> None:
    print(line)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
