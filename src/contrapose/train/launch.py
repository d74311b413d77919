"""How this process was started: alone, or as one of several by ``torchrun``, which tells through the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

from contrapose.data.text import printable
from contrapose.errors import UsageError

#: The environment variable with the minutes that a process waits at the start for the others to come.
JOIN_MINUTES = "CONTRAPOSE_JOIN_MINUTES"
_HOW = "torchrun sets it for each of its processes. To train in this process alone: `unset WORLD_SIZE`"


@dataclass(frozen=True)
class Launch:
    """rank: of this process among all of them, from 0; local_rank: among the ``local_size`` of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def launched() -> Launch:
    """What the environment announces; alone where it announces nothing. Raises UsageError for what cannot be meant."""
    size = _whole_number("WORLD_SIZE", least=1, default="1")
    if size == 1:
        return Launch()
    rank = _whole_number("RANK", least=0, most=size - 1)
    local_rank = _whole_number("LOCAL_RANK", least=0, most=size - 1, default=str(rank))
    local_size = _whole_number("LOCAL_WORLD_SIZE", least=1, most=size, default=str(size))
    _whole_number("MASTER_PORT", least=1, most=65_535)
    minutes_to_join()
    if not os.environ.get("MASTER_ADDR", "").strip():
        raise UsageError(f"the environment variable MASTER_ADDR is not set, and WORLD_SIZE is {size}: {_HOW}")
    return Launch(rank, size, local_rank, local_size)


def minutes_to_join() -> float:
    """How long a process waits at the start for the others: 10 minutes, or as the environment says."""
    given = os.environ.get(JOIN_MINUTES, "10").strip()
    if given.isascii() and given.replace(".", "", 1).isdecimal() and 0 < float(given) <= 10_000:
        return float(given)
    raise UsageError(
        f"the environment variable {JOIN_MINUTES} is '{printable(given, 60)}', not a number of minutes above 0 and up "
        "to 10,000"
    )


def _whole_number(name: str, *, least: int, most: int = 1_000_000, default: str | None = None) -> int:
    given = os.environ.get(name, default)
    if given is None:
        raise UsageError(f"the environment variable {name} is not set, and WORLD_SIZE is more than 1: {_HOW}")
    text = given.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
        raise UsageError(
            f"the environment variable {name} is '{printable(given, 60)}', not a whole number from {least:,} to "
            f"{most:,}: {_HOW}"
        )
    return int(text)
