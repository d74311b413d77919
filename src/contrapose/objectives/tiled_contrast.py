"""The contrast of an objective in tiles: when it can be, when it is worth it, and its statistics.

A table of B rows and C columns is B C cosines, and the loss and its gradient need about six tensors of that size. In
tiles it needs none (maths/tiled.py); what it costs is to compute the cosines twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from contrapose.contract import Columns, Equation, Part, TiledOutcome, Views, tiles_of
from contrapose.maths.geometry import alignment, mean_cosine, uniformity
from contrapose.maths.similarity import at_least_fp32
from contrapose.maths.tiled_table import num_columns
from contrapose.objectives.diagnostics import mean_where
from contrapose.objectives.in_batch import in_batch_tiles

#: A table of cosines of more bytes than this is large on a processor, whose caches it leaves: 1,448 rows with as many
#: columns in fp32. Beyond it tiles took 0.4 to 0.8 times as long as the table, below it 1.2 to 1.8 times.
LARGE_TABLE = 8 * 2**20
#: On an accelerator, where memory is the only reason: 8,192 rows with as many columns.
LARGE_TABLE_ON_CUDA = 256 * 2**20
#: Uniformity compares all pairs of anchors; with tiles, of so many of the first.
ANCHORS_COMPARED = 4096
#: Statistics that are means over rows; beside them ``columns_`` and an origin.
OF_ROWS = frozenset(
    {"positive_cosine", "accuracy", "entropy", "struck_out", "hardest_negative_cosine", "hardest_share"}
)


def why_not_in_tiles(
    equation: Equation, parts: Sequence[Part], hyperparameters: Mapping[str, Any], views: Views
) -> str:
    """What needs all pairs at once, as a sentence without its full stop; '' where nothing does."""
    for part in parts:
        why = part.needs_table or ("it strikes out pairs of the table" if "filter" in part.verbs() else "")
        if why:
            return f"the part '{part.name}' needs all pairs of the batch at once, since {why}"
    why = tiles_of(equation).why_not(views, hyperparameters)
    return f"the loss '{equation.__name__}' needs its table, since {why}" if why else ""


def why_columns_are_not_in_tiles(extra: Sequence[Columns]) -> str:
    """The same of the columns that parts give."""
    for block in extra:
        if block.log_weight is not None and block.log_weight.requires_grad:
            return f"the columns '{block.origin}' need the table, since their log-weights are trained"
    return ""


def is_large(views: Views, extra: Sequence[Columns]) -> bool:
    """Whether the table of cosines would be large.

    >>> batch = Views.pair(torch.zeros(4, 2), torch.zeros(4, 2))
    >>> is_large(batch, [])
    False
    """
    columns = views.num_rows * (1 + len(views.negatives)) + sum(num_columns(block) for block in extra)
    return is_large_table(
        views.num_rows * columns * at_least_fp32(views.anchor[:0]).element_size(), views.anchor.device
    )


def is_large_table(size: int, device: torch.device) -> bool:
    """Whether so many bytes are a large table on this device.

    >>> is_large_table(9 * 2**20, torch.device("cpu")), is_large_table(9 * 2**20, torch.device("cuda"))
    (True, False)
    """
    return size > (LARGE_TABLE if device.type == "cpu" else LARGE_TABLE_ON_CUDA)


def contrast_in_tiles(
    equation: Equation,
    views: Views,
    extra: Sequence[Columns],
    hyperparameters: Mapping[str, Any],
    rows: slice | None = None,
) -> TiledOutcome:
    """One loss for each of ``rows``, or of all."""
    form = tiles_of(equation).form
    assert form is not None, "asked for what why_not_in_tiles refuses"
    return form(in_batch_tiles(views, extra, rows), views, **hyperparameters)


@torch.no_grad()
def tiled_diagnostics(views: Views, outcome: TiledOutcome) -> dict[str, Tensor]:
    """The statistics of :func:`contrapose.objectives.diagnostics.diagnostics`, as sums over columns give them: means
    over the outcome's rows, but for the last three, which are of the whole batch.

    Two are not quite those of a table: ``accuracy`` counts a row whose positive shares the largest logit as wrong, and
    ``uniformity`` compares the first 4,096 anchors alone.
    """
    table, negatives, own_R = outcome.table, outcome.negatives, outcome.own_logit_B
    lowest = torch.finfo(own_R.dtype).min
    has_negative_R = negatives.count_R > 0
    log_sum_R = torch.logaddexp(own_R, negatives.log_sum_R)
    own_share_R, others_R = (own_R - log_sum_R).exp(), (negatives.log_sum_R - log_sum_R).exp()
    mean_logit_R = own_share_R * own_R + others_R * negatives.mean_logit_R.masked_fill(~has_negative_R, 0)
    hardest_R = (negatives.logit_R - negatives.log_sum_R).exp()
    stats = {
        "positive_cosine": table.own_cosine_R.mean(),
        "accuracy": (own_R > negatives.logit_R).float().mean(),
        "entropy": (log_sum_R - mean_logit_R).mean(),
        "struck_out": (table.num_columns - 1 - negatives.count_R).float().mean(),
        **{
            f"columns_{origin.replace('-', '_')}": count_R.float().mean()
            for origin, count_R in outcome.negatives.count_by_origin.items()
        },
        "hardest_negative_cosine": mean_where(negatives.cosine_R, has_negative_R),
        "hardest_share": mean_where(hardest_R, has_negative_R & (negatives.logit_R > lowest)),
    }
    return stats | {
        "alignment": alignment(views.anchor, views.positive),
        "uniformity": uniformity(views.anchor[:ANCHORS_COMPARED]),
        "mean_cosine": mean_cosine(views.anchor),
    }


def of_rows(stats: Iterable[str]) -> frozenset[str]:
    """Those of the names that are means over rows by the contrast.

    >>> sorted(of_rows(["alignment", "accuracy", "columns_batch", "mixture_diversity"]))
    ['accuracy', 'columns_batch']
    """
    return frozenset(name for name in stats if name in OF_ROWS or name.startswith("columns_"))
