"""TiledTable: what a ScoreTable says, without the square. It gives sums over columns and never a logit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from contrapose.maths.lean_rows import lean_dots, lean_unit
from contrapose.maths.scores import Columns
from contrapose.maths.similarity import cosine_table
from contrapose.maths.struck import own_number
from contrapose.maths.tiled import Sums, log_sums
from contrapose.maths.tiled_columns import LogitMap, TiledColumns, part_of


@dataclass(frozen=True, kw_only=True)
class TiledTable:
    """Some rows of a batch of B, and the columns that they are compared with.

    anchor_BD     of all rows, of unit length
    rows          those whose loss is computed here; all of them in one process
    own_cosine_B  cosine of every row of the batch with its own positive
    blocks        all other columns, their origins as in a ScoreTable. Of "batch" the row's own number does not count
    unit_ND       origin -> the vectors of columns that all rows share, of unit length
    given         origins of the given negatives
    """

    anchor_BD: Tensor
    rows: slice
    own_cosine_B: Tensor
    blocks: tuple[Columns, ...]
    unit_ND: Mapping[str, Tensor]
    given: frozenset[str] = frozenset()

    @property
    def own_cosine_R(self) -> Tensor:
        return self.own_cosine_B[self.rows]

    @property
    def num_columns(self) -> int:
        """Of a row, with its positive."""
        return sum(num_columns(block) for block in self.blocks)

    @property
    def has_weights(self) -> bool:
        """Whether any column has a log-weight."""
        return any(block.log_weight is not None for block in self.blocks)

    def negatives(self, *maps: LogitMap, of_batch: LogitMap | None = None, own_weight: float = 0.0) -> Sums:
        """Sums over every column but the positive: see :meth:`by_origin`."""
        return joined(self.by_origin(*maps, of_batch=of_batch, own_weight=own_weight))

    def by_origin(
        self, *maps: LogitMap, of_batch: LogitMap | None = None, own_weight: float = 0.0
    ) -> dict[str, Sums]:
        """Sums over the columns of each origin, one for every map.

        of_batch: the map of the batch's own columns, where it is another; own_weight: added to the logit of a row's own
        given negative.

        >>> table = tiled_table(torch.eye(2), torch.eye(2), [Columns(origin="batch", vectors=torch.eye(2))])
        >>> table.by_origin(LogitMap(temperature=1.0))["batch"].log_sum_R          # one column each, of cosine 0
        tensor([0., 0.])
        """
        found = {}
        for block in self.blocks:
            chosen = (of_batch,) if of_batch is not None and block.origin == "batch" else maps
            weight = own_weight if block.origin in self.given else 0.0
            if block.origin in self.unit_ND:
                found[block.origin] = self._shared(block, chosen, weight)
            else:
                found[block.origin] = self._of_each_row(block, chosen)
        return found

    def _shared(self, block: Columns, maps: tuple[LogitMap, ...], own_weight: float) -> Sums:
        struck = block.struck
        if block.origin == "batch":
            struck = own_number(struck, len(self.anchor_BD), self.anchor_BD.device)
        tiled = TiledColumns(
            maps=maps,
            first_row=self.rows.start,
            struck=struck,
            valid=block.valid,
            log_weight=block.log_weight,
            own_weight=own_weight,
        )
        return log_sums(self.anchor_BD[self.rows], self.unit_ND[block.origin], tiled)

    def _of_each_row(self, block: Columns, maps: tuple[LogitMap, ...]) -> Sums:
        """Of columns that belong to one row each, (B, K): there is no square to avoid."""
        if block.cosines is not None:
            cosine_RK = block.cosines[self.rows]
        else:
            assert block.vectors is not None
            cosine_RK = cosine_table(self.anchor_BD[self.rows], block.vectors[self.rows])
        counts_RK = block.counts((len(self.anchor_BD), cosine_RK.shape[1]))[self.rows]
        lowest = torch.finfo(cosine_RK.dtype).min
        logits_KRC = torch.stack([each.logits(cosine_RK) for each in maps])
        if block.log_weight is not None:
            logits_KRC = logits_KRC + part_of(block.log_weight, self.rows, slice(None))
        logits_KRC = logits_KRC.masked_fill(~counts_RK, lowest)
        any_R = counts_RK.any(1)
        log_sum_KR = torch.where(any_R, logits_KRC.logsumexp(2), lowest)
        first_RC = logits_KRC[0].detach()
        mean_R = (first_RC.softmax(1) * first_RC).sum(1)
        return Sums(
            log_sum_KR=log_sum_KR,
            count_R=counts_RK.sum(1),
            cosine_R=cosine_RK.detach().masked_fill(~counts_RK, lowest).amax(1),
            logit_R=first_RC.amax(1),
            mean_logit_R=torch.where(any_R, mean_R, lowest),
        )


def tiled_table(
    anchor_BD: Tensor,
    own_positive_BD: Tensor,
    blocks: Iterable[Columns],
    *,
    rows: slice | None = None,
    given: Iterable[str] = (),
) -> TiledTable:
    """The table of these rows, or of all. Raises ValueError for two blocks of one origin."""
    # A tensor that is compared twice is scaled once: less memory, and its gradient is added up in fp32.
    made: dict[int, Tensor] = {}

    def unit_of(vectors: Tensor) -> Tensor:
        if id(vectors) not in made:
            made[id(vectors)] = lean_unit(vectors)
        return made[id(vectors)]

    by_name: dict[str, Columns] = {}
    for block in blocks:
        if block.origin in by_name:
            raise ValueError(
                f"two blocks of columns come from '{block.origin}': a source gives its columns an origin of their own"
            )
        by_name[block.origin] = block
    return TiledTable(
        anchor_BD=unit_of(anchor_BD),
        rows=rows or slice(0, len(anchor_BD)),
        own_cosine_B=lean_dots(unit_of(anchor_BD), unit_of(own_positive_BD)),
        blocks=tuple(by_name.values()),
        unit_ND={
            origin: unit_of(block.vectors)
            for origin, block in by_name.items()
            if block.vectors is not None and block.vectors.dim() == 2
        },
        given=frozenset(given),
    )


def num_columns(block: Columns) -> int:
    """How many columns a row has of this block.

    >>> num_columns(Columns(origin="own", vectors=torch.zeros(5, 3, 2)))
    3
    """
    if block.cosines is not None:
        return block.cosines.shape[1]
    assert block.vectors is not None
    return block.vectors.shape[-2]


def joined(sums: Mapping[str, Sums]) -> Sums:
    """The sums over all columns of several blocks, by their origins."""
    parts = list(sums.values())
    log_sum_KR = torch.stack([part.log_sum_KR for part in parts]).logsumexp(0)
    total_R = log_sum_KR[0].detach()
    lowest = torch.finfo(total_R.dtype).min
    means = [(part.log_sum_R.detach() - total_R).exp() * part.mean_logit_R for part in parts]
    return Sums(
        log_sum_KR=log_sum_KR,
        count_R=torch.stack([part.count_R for part in parts]).sum(0),
        cosine_R=torch.stack([part.cosine_R for part in parts]).amax(0),
        logit_R=torch.stack([part.logit_R for part in parts]).amax(0),
        mean_logit_R=torch.where(total_R > lowest, torch.stack(means).sum(0), lowest),
        count_by_origin={origin: part.count_R for origin, part in sums.items()},
    )
