"""An equation on bare views: with the table that the Objective builds for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contrapose.contract import Columns, Equation, Outcome, Views
from contrapose.objectives.in_batch import in_batch_table


def scored(
    equation: Equation, views: Views, extra: Sequence[Columns] = (), **hyperparameters: Any
) -> Outcome:
    return equation(in_batch_table(views, extra), views, **hyperparameters)
