"""Were all processes started for the same run? What they say of themselves is compared, and the difference is named.

Each says pairs of a name and a value, such as ``("torch", "2.13.0")``. Processes that differ in one of them would
train one model on two data sets, or wait for each other for ever; so this is asked before any of them works.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import UsageError
from contrapose.ledger import PACKAGES, versions
from contrapose.train.settings import RunSettings

#: Differences that a message holds; more would hide the first.
SHOWN = 6


def flat(values: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Nested plain data as one level of names and words.

    >>> flat({"training": {"seed": 0}, "out": "runs/a"})
    {'training.seed': '0', 'out': '"runs/a"'}
    """
    words: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            words |= flat(value, f"{path}{name}.")
        else:
            words[f"{path}{name}"] = json.dumps(value, sort_keys=True, default=str)
    return words


def differences(told: Sequence[Mapping[str, str]]) -> list[str]:
    """In words, every name under which the processes do not all say the same; the processes by their ranks.

    >>> differences([{"torch": "2.13"}, {"torch": "2.12"}, {"torch": "2.13"}])
    ['torch is 2.13 in processes 0, 2 and 2.12 in process 1']
    >>> differences([{"seed": "0"}, {}])
    ['seed is 0 in process 0 and not there in process 1']
    """
    found = []
    for name in dict.fromkeys(name for each in told for name in each):
        ranks: dict[str, list[int]] = {}
        for rank, each in enumerate(told):
            ranks.setdefault(each.get(name, "not there"), []).append(rank)
        if len(ranks) > 1:
            said = [
                f"{printable(value, 80)} in {processes_in_words(those)}" for value, those in ranks.items()
            ]
            found.append(f"{printable(name, 80)} is {', '.join(said[:-1])} and {said[-1]}")
    return found


def refuse_differences(told: Sequence[Mapping[str, str]]) -> None:
    """Raise UsageError where the processes do not all say the same."""
    if found := differences(told):
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UsageError(
            f"the {len(told)} processes were not started for the same run: {'; '.join(found[:SHOWN])}{more}. Give all "
            "of them the same command, versions, data and kind of device, and start them again"
        )


def about_of(settings: RunSettings, *, resume: bool) -> dict[str, str]:
    """What must be the same in every process before anything is loaded: versions, settings, --resume.

    What "auto" means for the precision the first process says for all. The device's number may differ; its kind may
    not, and is compared where the processes meet.
    """
    chosen = settings.model_dump(mode="json")
    chosen["training"].pop("device", None)
    return {
        **flat({"version of": versions(PACKAGES)}),
        "--resume": "given" if resume else "not given",
        **flat(chosen),
    }


def processes_in_words(ranks: Sequence[int]) -> str:
    """
    >>> processes_in_words([1]), processes_in_words([0, 2]), processes_in_words(range(3, 99))
    ('process 1', 'processes 0, 2', 'processes 3, 4, 5, 6 and 92 more')
    """
    some = ", ".join(map(str, ranks[:4]))
    more = f" and {len(ranks) - 4} more" if len(ranks) > 4 else ""
    return f"process{'es' if len(ranks) > 1 else ''} {some}{more}"
