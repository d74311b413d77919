"""The only glue: ask the parts, build the table, call the equation, add the terms up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import torch
from torch import Tensor, nn

from contrapose.contract import (
    Columns,
    Equation,
    Loss,
    Needs,
    Outcome,
    Part,
    Supplies,
    TiledOutcome,
    Views,
)
from contrapose.errors import UsageError
from contrapose.maths.similarity import computed_once
from contrapose.objectives.diagnostics import diagnostics
from contrapose.objectives.in_batch import in_batch_table
from contrapose.objectives.tiled_contrast import (
    contrast_in_tiles,
    is_large,
    of_rows,
    tiled_diagnostics,
    why_columns_are_not_in_tiles,
    why_not_in_tiles,
)


class Objective(nn.Module):
    """A method with its parts and hyperparameters, ready to be called on views.

    Every part is a module under its name, so ``state_dict`` holds all that they learn and remember, ``to`` moves it
    and ``parameters`` are what an optimizer trains. ``recipe.build`` in the catalogue makes one from names.

    needs: what must be supplied to it: the union over the parts, and what the equation needs itself.
    """

    def __init__(
        self,
        equation: Equation,
        hyperparameters: Mapping[str, Any],
        parts: Sequence[Part] = (),
        needs: Needs | None = None,
    ) -> None:
        super().__init__()
        self.equation = equation
        self.hyperparameters = dict(hyperparameters)
        self.needs = reduce(or_, (part.needs for part in parts), needs or Needs())
        if len({part.name for part in parts}) < len(parts):
            raise ValueError(f"a part is there twice: {', '.join(part.name for part in parts)}")
        self.parts = nn.ModuleDict({part.name: part for part in parts})
        self._parts = tuple(parts)
        self.register_load_state_dict_pre_hook(_rename_state_of_first_version)  # type: ignore[no-untyped-call]

    def attach(self, supplies: Supplies) -> None:
        """Hand the parts what they need, once, before the first step."""
        for part in self._parts:
            part.attach(supplies)

    def forward(
        self,
        views: Views,
        *,
        with_stats: bool = True,
        tiled: bool | None = False,
        rows: slice | None = None,
    ) -> Loss:
        """Score one batch. Sources see the views as the encoder gave them, the table is made of the mixed ones.
        Changes no state.

        tiled: the contrast is computed in tiles, without a table (objectives/tiled_contrast.py); None: where the table
        would be large and nothing needs it. Raises UsageError where it is True and something does.
        rows: those whose loss is computed where it is in tiles: the contrast is then their share of the batch's.
        """
        if tiled and (why_not := self.why_not_in_tiles(views)):
            raise _not_in_tiles(why_not)
        with computed_once():
            return self._scored(views, with_stats=with_stats, tiled=tiled, rows=rows)

    def _scored(self, views: Views, *, with_stats: bool, tiled: bool | None, rows: slice | None) -> Loss:
        for part in self._parts:
            part.statistics, part.reports = {}, with_stats
        views = self._after_filters(views)
        extra = [columns for part in self._parts for columns in part.columns(views)]
        scored = views
        for part in self._parts:
            scored = part.views(scored)
        if self._in_tiles(scored, extra, tiled):
            outcome = contrast_in_tiles(self.equation, scored, extra, self.hyperparameters, rows)
            return self._loss(views, scored, outcome, with_stats)
        return self._loss(views, scored, self._over_table(scored, extra), with_stats)

    def _in_tiles(self, scored: Views, extra: Sequence[Columns], tiled: bool | None) -> bool:
        """Whether to; None asks for what is best."""
        if tiled is False or not (tiled or is_large(scored, extra)):
            return False
        why_not = self.why_not_in_tiles(scored) or why_columns_are_not_in_tiles(extra)
        if tiled and why_not:
            raise _not_in_tiles(why_not)
        return not why_not

    def _over_table(self, scored: Views, extra: Sequence[Columns]) -> Outcome:
        table = in_batch_table(scored, extra)
        for part in self._parts:
            table = part.filter(scored, table)
        return self.equation(table, scored, **self.hyperparameters)

    def _loss(self, views: Views, scored: Views, outcome: Outcome | TiledOutcome, with_stats: bool) -> Loss:
        """The contrast and the terms of the parts, added up; the statistics of both."""
        is_share = len(outcome.loss_B) < views.num_rows
        terms = {"contrast": outcome.loss_B.sum() / views.num_rows if is_share else outcome.loss_B.mean()}
        given = views if scored is views else scored.with_views(**views.by_name)
        shares = {"contrast"} if is_share else set()
        for part in self._parts:
            added = part.terms(given)
            terms = _joined("term", terms, added)
            shares |= set(added) if part.needs.tokens else set()
        stats: dict[str, Tensor] = {}
        if with_stats:
            if isinstance(outcome, TiledOutcome):
                stats = tiled_diagnostics(views, outcome)
            else:
                stats = diagnostics(views, outcome)
            for part in self._parts:
                stats = _joined("statistic", stats, part.statistics)
        return Loss(
            total=_sum(terms.values()),
            terms=terms,
            stats=stats,
            outcome=outcome,
            shares=frozenset(shares),
            row_stats=of_rows(stats) if is_share else frozenset(),
        )

    def why_not_in_tiles(self, views: Views) -> str:
        """What of it needs all pairs of the batch at once, as a sentence; '' where nothing does."""
        return why_not_in_tiles(self.equation, self._parts, self.hyperparameters, views)

    @torch.no_grad()
    def _after_filters(self, views: Views) -> Views:
        """The views, with what the filters strike out of the batch's columns, before another part can mix that."""
        filters = [part for part in self._parts if "filter" in part.verbs()]
        makers = [part for part in self._parts if part.verbs() & {"columns", "views"}]
        if not any(maker is not other for maker in makers for other in filters):
            return views
        whole = table = in_batch_table(views)
        for part in filters:
            table = part.filter(views, table)
        struck_BC = whole.valid_BC & ~table.valid_BC
        return replace(views, struck_out=struck_BC[:, whole.origins["batch"]])

    def observe(self, views: Views) -> None:
        """Let the parts remember an accepted step."""
        for part in self._parts:
            part.observe(views)

    def refreshes_at(self, step: int) -> bool:
        """Whether a part wants to see the whole corpus before the batch of this step."""
        return any(_is_due(part, step) for part in self._parts)

    def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
        """Show the whole corpus to the parts that want to see it at this step."""
        for part in self._parts:
            if _is_due(part, step):
                part.refresh(step, row_ids, vectors_ND)


def _not_in_tiles(why: str) -> UsageError:
    return UsageError(f"tiled: {why}. Without tiles it can be computed: leave tiled out")


def _is_due(part: Part, step: int) -> bool:
    return part.refresh_every is not None and step % part.refresh_every == 0


def _sum(terms: Iterable[Tensor]) -> Tensor:
    """In their order, without an addition where there is one term only: what one paper says stays its bits."""
    first, *others = terms
    return sum(others, start=first)


def _joined(kind: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ValueError where two parts say one name, since one of the two would be lost."""
    if twice := ours.keys() & theirs.keys():
        raise ValueError(f"two parts report the {kind} '{min(twice)}': give one of them another name")
    return {**ours, **theirs}


def _rename_state_of_first_version(
    objective: nn.Module, state: dict[str, Any], prefix: str, *_: object
) -> None:
    """Checkpoints once numbered the sources; today a part's state lies under its name."""
    assert isinstance(objective, Objective)
    sources = [part for part in objective._parts if "columns" in type(part).verbs()]
    for key in [key for key in state if key.startswith(f"{prefix}sources.")]:
        number, _dot, rest = key.removeprefix(f"{prefix}sources.").partition(".")
        if number.isdecimal() and int(number) < len(sources):
            state[f"{prefix}parts.{sources[int(number)].name}.{rest}"] = state.pop(key)
