"""The table that every in-batch objective starts from: other rows' positives, given negatives, extra columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from contrapose.contract import Columns, ScoreTable, Views
from contrapose.maths.scores import score_table
from contrapose.maths.similarity import cosine_table, paired_cosine
from contrapose.maths.tiled_table import TiledTable, tiled_table


def in_batch_table(views: Views, extra: Sequence[Columns] = ()) -> ScoreTable:
    """Columns [positives of all rows | each given negative of all rows | extra]; row i's positive is column i.

    Columns that say what the row's own anchor or positive says are struck out: a sentence is no negative of itself.
    """
    rows_B = torch.arange(views.num_rows, device=views.anchor.device)
    return score_table(views.anchor, [_positives(views), *given_negatives(views), *extra], rows_B)


def in_batch_tiles(views: Views, extra: Sequence[Columns] = (), rows: slice | None = None) -> TiledTable:
    """The same columns for some rows, or all, as a table that is never there: for losses in tiles."""
    own_positive_BD = views.by_name.get("own_positive", views.positive)
    positives = Columns(
        origin="batch",
        vectors=views.positive,
        struck=views.repeats("positive"),
        text_ids=views.text_ids.get("positive"),
    )
    return tiled_table(
        views.anchor,
        own_positive_BD,
        [positives, *given_negatives(views), *extra],
        rows=rows,
        given=views.negatives,
    )


def given_negatives(views: Views) -> Iterator[Columns]:
    """A block of columns for each given negative: those of all rows."""
    for name, negative_BD in views.negatives.items():
        text_ids, repeats = views.text_ids.get(name), views.repeats(name)
        yield Columns(origin=name, vectors=negative_BD, struck=repeats, text_ids=text_ids)


def own_negatives(table: ScoreTable, views: Views) -> Tensor:
    """(B, C) bool: the columns that hold the row's own given negatives."""
    own_BC = torch.zeros_like(table.valid_BC)
    for name in views.negatives:
        own_BC[:, table.origins[name]].fill_diagonal_(True)
    return own_BC


def _positives(views: Views) -> Columns:
    repeats = views.repeats("positive")
    texts_B = views.text_ids.get("positive")
    own_positive_BD = views.by_name.get("own_positive")
    if own_positive_BD is None:
        return Columns(origin="batch", vectors=views.positive, struck=repeats, text_ids=texts_B)
    cosine_BB = cosine_table(views.anchor, views.positive)
    own_B = paired_cosine(views.anchor, own_positive_BD)
    return Columns(
        origin="batch", cosines=torch.diagonal_scatter(cosine_BB, own_B), struck=repeats, text_ids=texts_B
    )
