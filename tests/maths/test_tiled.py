from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contrapose.maths.similarity import unit
from contrapose.maths.struck import Struck
from contrapose.maths.tiled import Sums, log_sums
from contrapose.maths.tiled_columns import LogitMap, TiledColumns
from tests.largest import Largest
from tests.reference import tiled as reference


def vectors(
    rows: int, columns: int, width: int = 6, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(rows * 1000 + columns)
    return [
        unit(torch.randn(number, width, generator=random, dtype=torch.float64)).to(dtype).requires_grad_()
        for number in (rows, columns)
    ]


def focal(cosine: torch.Tensor) -> torch.Tensor:
    return cosine * (cosine + 0.3)


def over_table(rows_RD: torch.Tensor, columns_ND: torch.Tensor, block: TiledColumns) -> torch.Tensor:
    """(K, R) from the whole table, by autograd."""
    every = (slice(0, len(rows_RD)), slice(0, len(columns_ND)))
    cosine_RC = rows_RD @ columns_ND.T
    found = []
    for each in block.maps:
        logits_RC = each.logits(cosine_RC, *each.beside_tile(block.of_batch(every[0]), every[1])) + 0
        block.add_weights_(logits_RC, *every)
        left_out_RC = block.left_out(*every)
        if left_out_RC is not None:
            logits_RC = logits_RC.masked_fill(left_out_RC, torch.finfo(logits_RC.dtype).min)
        found.append(logits_RC.logsumexp(1))
    return torch.stack(found)


def numbers(length: int, most: int, seed: int) -> torch.Tensor:
    return torch.randint(0, most, (length,), generator=torch.Generator().manual_seed(seed))


def block_of(case: str, rows: int, columns: int, **more: Any) -> TiledColumns:
    texts = (numbers(rows, 4, 1), numbers(columns, 4, 2))
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "a map": {"maps": (LogitMap(temperature=0.2, function=focal),)},
        "three maps": {
            "maps": (
                LogitMap(temperature=0.05),
                LogitMap(temperature=0.2, function=focal),
                LogitMap(temperature=0.5),
            )
        },
        "struck": {"struck": Struck(pairs=(texts,)).but_for(torch.arange(rows), torch.arange(columns))},
        "unknown": {"struck": Struck(pairs=(texts,), known_N=texts[1] > 1)},
        "a table of what counts": {"valid": numbers(rows * columns, 2, 3).view(rows, columns).bool()},
        "both": {"struck": Struck(pairs=(texts,)), "valid": numbers(columns, 2, 3).bool()[None]},
        "weights of columns": {"log_weight": torch.linspace(-1, 1, columns)},
        "weights of rows": {"log_weight": torch.linspace(-1, 1, rows)[:, None], "own_weight": 0.7},
        "nothing counts": {"struck": Struck(pairs=((torch.zeros(rows), torch.zeros(columns)),))},
    }
    return TiledColumns(**{"maps": (LogitMap(temperature=0.05),), **options[case], **more})


CASES = (
    "plain", "a map", "three maps", "struck", "unknown", "a table of what counts", "both", "weights of columns",
    "weights of rows", "nothing counts",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_tiles_give_the_sums_and_gradients_of_the_table(case: str) -> None:
    rows_RD, columns_ND = vectors(11, 23)
    block = block_of(case, 11, 23, tile=(4, 5))
    ours, table = log_sums(rows_RD, columns_ND, block).log_sum_KR, over_table(rows_RD, columns_ND, block)
    torch.testing.assert_close(ours, table, rtol=1e-12, atol=1e-12)
    weights = torch.randn_like(ours)
    found, expected = (
        torch.autograd.grad((each * weights).sum(), [rows_RD, columns_ND]) for each in (ours, table)
    )
    assert all(gradient.abs().sum() > 0 for gradient in found) == (case != "nothing counts")
    if (
        case != "nothing counts"
    ):  # a table of lowest numbers alone has a softmax that is even, which means nothing
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", ["plain", "struck", "unknown", "weights of columns"])
def test_sums_are_those_of_a_loop(case: str) -> None:
    rows_RD, columns_ND = vectors(5, 9)
    block = block_of(case, 5, 9, tile=(2, 4))
    left_out = block.left_out(slice(0, 5), slice(0, 9))
    weight = block.log_weight
    expected, counts, nearest = reference.log_sums(
        rows_RD.detach().numpy(),
        columns_ND.detach().numpy(),
        lambda cosine: cosine / 0.05,
        lambda i, j: left_out is None or not left_out[i, j],
        lambda i, j: 0.0 if weight is None else float(weight[j]),
    )
    found = log_sums(rows_RD, columns_ND, block)
    assert found.count_R.tolist() == counts
    for row, (value, cosine) in enumerate(zip(expected, nearest, strict=True)):
        assert value is not None
        assert found.log_sum_R[row].item() == pytest.approx(value, rel=1e-12)
        assert found.cosine_R[row].item() == pytest.approx(cosine, rel=1e-12)


def test_what_is_watched_is_that_of_the_softmax() -> None:
    rows_RD, columns_ND = vectors(6, 10)
    found = log_sums(rows_RD, columns_ND, block_of("a map", 6, 10, tile=(4, 3)))
    logits_RC = focal(rows_RD @ columns_ND.T).detach() / 0.2
    torch.testing.assert_close(found.logit_R, logits_RC.amax(1))
    torch.testing.assert_close(found.mean_logit_R, (logits_RC.softmax(1) * logits_RC).sum(1))
    torch.testing.assert_close(found.cosine_R, (rows_RD @ columns_ND.T).detach().amax(1))
    assert not any(each.requires_grad for each in (found.logit_R, found.mean_logit_R, found.cosine_R))


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    tile=st.tuples(st.integers(1, 10), st.integers(1, 10)),
    first=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_any_tile_of_any_rows_gives_the_same(
    rows: int, columns: int, tile: tuple[int, int], first: int
) -> None:
    rows_RD, columns_ND = vectors(rows, columns)
    texts = (numbers(first + rows, 3, 5), numbers(columns, 3, 6))
    block = TiledColumns(
        maps=(LogitMap(temperature=0.1),),
        first_row=first,
        struck=Struck(pairs=(texts,)),
        own_weight=0.5,
        tile=tile,
    )
    ours, table = log_sums(rows_RD, columns_ND, block).log_sum_KR, over_table(rows_RD, columns_ND, block)
    torch.testing.assert_close(ours, table, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [0.001, 50.0])
def test_extreme_logits_stay_finite_with_their_gradients(dtype: torch.dtype, temperature: float) -> None:
    rows_RD, columns_ND = vectors(9, 17, dtype=dtype)
    block = TiledColumns(maps=(LogitMap(temperature=temperature),), tile=(4, 3))
    ours, table = log_sums(rows_RD, columns_ND, block).log_sum_R, over_table(rows_RD, columns_ND, block)[0]
    torch.testing.assert_close(ours, table)
    found, expected = (torch.autograd.grad(each.sum(), [rows_RD, columns_ND]) for each in (ours, table))
    assert all(bool(gradient.isfinite().all()) for gradient in found)
    # At a temperature of 0.001 a logit is a thousand, and its last digit in fp32 moves its share by a ten-thousandth.
    near = 1e-9 if dtype == torch.float64 else 1e-3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=near, atol=near * float(other.abs().max()))


def test_a_row_of_which_no_column_counts_has_no_gradient_and_disturbs_no_other() -> None:
    rows_RD, columns_ND = vectors(3, 8)
    alone = Struck(pairs=((torch.tensor([1, 2, 3]), torch.full((8,), 2)),))
    block = TiledColumns(maps=(LogitMap(temperature=0.05),), struck=alone, tile=(2, 3))
    found = log_sums(rows_RD, columns_ND, block)
    assert found.count_R.tolist() == [8, 0, 8]
    assert found.log_sum_R[1] == found.cosine_R[1] == found.logit_R[1] == torch.finfo(torch.float64).min
    (gradient_RD,) = torch.autograd.grad(found.log_sum_R.sum(), [rows_RD])
    assert gradient_RD.isfinite().all()
    assert (gradient_RD.abs().sum(1) > 0).tolist() == [True, False, True]


def test_a_vector_that_is_no_number_is_seen_in_its_rows() -> None:
    rows_RD, columns_ND = (each.detach().clone() for each in vectors(4, 6))
    rows_RD[2] = torch.nan
    found: Sums = log_sums(rows_RD, columns_ND, TiledColumns(maps=(LogitMap(temperature=0.05),), tile=(2, 3)))
    assert found.log_sum_R.isfinite().tolist() == [True, True, False, True]


def test_only_vectors_that_learn_get_a_gradient() -> None:
    rows_RD, columns_ND = vectors(4, 6)
    found = log_sums(rows_RD, columns_ND.detach(), TiledColumns(maps=(LogitMap(temperature=0.05),)))
    found.log_sum_R.sum().backward()
    assert rows_RD.grad is not None
    assert columns_ND.grad is None


@pytest.mark.parametrize("case", ["plain", "a map", "struck"])
def test_no_tensor_is_larger_than_a_tile_or_the_vectors(case: str) -> None:
    rows_RD, columns_ND = vectors(64, 96, width=4)
    block = block_of(case, 64, 96, tile=(16, 32))
    with Largest() as largest:
        found = log_sums(rows_RD, columns_ND, block)
        found.log_sum_R.sum().backward()
    assert rows_RD.grad is not None
    assert 16 * 32 <= largest.numel < 64 * 96
