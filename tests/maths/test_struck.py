from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.maths.struck import Struck

SMALL = st.lists(st.integers(0, 3), min_size=1, max_size=6)


@given(SMALL, SMALL, st.data())
def test_a_column_is_struck_out_where_a_pair_is_equal_and_it_is_known_and_not_kept(
    rows: list[int], columns: list[int], data: st.DataObject
) -> None:
    others = [
        data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for n in (len(rows), len(columns))
    ]
    kept = [data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for n in (len(rows), len(columns))]
    known = data.draw(st.lists(st.booleans(), min_size=len(columns), max_size=len(columns)))
    first, second, stays = (
        (torch.tensor(of_rows), torch.tensor(of_columns))
        for of_rows, of_columns in ((rows, columns), others, kept)
    )
    struck = Struck(pairs=(first,), known_N=torch.tensor(known)).also(*second).but_for(*stays)
    expected = [
        [
            (rows[i] == columns[j] or others[0][i] == others[1][j]) and known[j] and kept[0][i] != kept[1][j]
            for j in range(len(columns))
        ]
        for i in range(len(rows))
    ]
    assert struck.table().tolist() == expected
    corner = struck.tile(slice(0, 2), slice(1, None)).tolist()
    assert corner == [row[1:] for row in expected[:2]]
