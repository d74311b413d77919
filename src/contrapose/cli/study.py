"""``contrapose study``: a verb of earlier versions, which says what replaces it."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from contrapose.errors import UsageError


def study(words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Say what replaces this verb."""
    now = shlex.join(["python", "-m", "studies", *(words or [])])
    raise UsageError(
        f"`contrapose study` is now `{now}`, run in a checkout of contrapose, with the same options"
    )
