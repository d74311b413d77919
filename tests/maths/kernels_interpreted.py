"""Run by a test with TRITON_INTERPRET=1: every map with every mask, kernels beside torch's tiles."""

from __future__ import annotations

from functools import partial

import torch

from contrapose.maths import softmax_kernel, tiled
from contrapose.maths.similarity import unit
from contrapose.maths.struck import Struck
from contrapose.maths.tiled_columns import LogitMap, TiledColumns
from contrapose.objectives.focal_infonce import modulated_negative

#: No size is a whole number of the kernels' tiles, and the rows are part of a batch.
ROWS, COLUMNS, WIDTH, FIRST = 70, 150, 40, 10


def main() -> None:
    random = torch.Generator().manual_seed(0)

    def numbers(length: int) -> torch.Tensor:
        return torch.randint(0, 20, (length,), generator=random)

    batch = FIRST + ROWS
    pairs = tuple((numbers(batch), numbers(COLUMNS)) for _ in range(2))
    several = Struck(pairs=pairs, known_N=numbers(COLUMNS) > 5)
    masks = [
        {},
        {"struck": several.but_for(torch.arange(batch), torch.arange(COLUMNS))},
        {
            "struck": Struck(pairs=pairs[:1]),
            "log_weight": torch.randn(COLUMNS, generator=random),
            "own_weight": 0.5,
        },
        {"struck": Struck(pairs=((torch.zeros(batch).long(), torch.zeros(COLUMNS).long()),))},
    ]
    maps = [LogitMap(temperature=0.05)]
    for clamped in (False, True):
        for detached in (False, True):
            function = partial(
                modulated_negative,
                margin=0.3,
                negative_map="clamped" if clamped else "paper",
                detach=detached,
            )
            maps.append(LogitMap(temperature=0.05, function=function, focal=(0.3, clamped, detached)))
    rows_RD, columns_ND = (
        unit(torch.randn(length, WIDTH, generator=random)).requires_grad_() for length in (ROWS, COLUMNS)
    )
    gradient_R = torch.randn(ROWS, generator=random)
    equal = 0
    for mask in masks:
        for logit_map in maps:
            block = TiledColumns(maps=(logit_map,), first_row=FIRST, **mask)
            assert softmax_kernel.serves(rows_RD, block)
            found = []
            for tiles in (tiled._Tiles, softmax_kernel.Tiles):
                sums = tiles.apply(rows_RD, columns_ND, block)
                slopes = torch.autograd.grad((sums[0][0] * gradient_R).sum(), [rows_RD, columns_ND])
                found.append((sums, slopes))
            torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=3e-5)
            equal += 1
    print(f"{equal} blocks are equal")


if __name__ == "__main__":
    main()
