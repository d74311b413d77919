"""What the parts that keep a model near an earlier one share: which model that is, and its name among the views."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contrapose.contract.needs import Companion, Needs

#: The companion's name: its vectors are the views ``anchor@previous`` and ``positive@previous``.
PREVIOUS = "previous"

Previous = Annotated[
    str,
    Field(
        min_length=1,
        description="the frozen earlier model: start (the model the run began with), a name, a folder, or self (a "
        "copy that a training protocol may renew)",
    ),
]
PreviousDropout = Annotated[
    bool, Field(description="dropout of the earlier model, so that it has two views of a text too")
]


def needs_previous(previous: str, previous_dropout: bool) -> Needs:
    """Needs for the earlier model, whose vectors are compared with those of the trained one before any head."""
    model = Companion(name=PREVIOUS, source=previous, dropout=previous_dropout, same_width=True)
    return Needs(pooled=True, companions=(model,))
