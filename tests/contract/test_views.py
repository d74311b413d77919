"""Which columns of a batch say what a row says, and which of them no part may mix into a negative."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.contract import Views

#: Three texts for four rows: repeats of every kind come up.
TEXTS = st.lists(st.integers(1, 3), min_size=4, max_size=4)


def of_texts(anchors: list[int], positives: list[int]) -> Views:
    ids = {"anchor": torch.tensor(anchors), "positive": torch.tensor(positives)}
    return Views.pair(torch.eye(4), torch.eye(4), text_ids=ids)


@given(TEXTS, TEXTS)
def test_a_column_repeats_the_row_where_the_two_share_a_text_of_their_pairs(
    a: list[int], p: list[int]
) -> None:
    """Columns of anchors and of positives are judged by one rule: either text, or the same other half of the pair."""
    views = of_texts(a, p)
    rows = range(4)
    own = {"anchor": a, "positive": p}
    for name, other in (("anchor", "positive"), ("positive", "anchor")):
        expected = [
            [own[name][j] in (a[i], p[i]) or own[other][i] == own[other][j] for j in rows] for i in rows
        ]
        repeats_BB = views.repeats_anchor(name)
        assert repeats_BB is not None
        assert repeats_BB.tolist() == expected


def test_two_anchors_of_one_positive_are_no_negatives_of_each_other() -> None:
    repeats_BB = of_texts([1, 2, 3, 4], [9, 9, 7, 8]).repeats_anchor("anchor")
    assert repeats_BB is not None
    assert repeats_BB[0].tolist() == [True, True, False, False]


def test_own_texts_are_found_among_shared_columns_and_among_those_of_each_row() -> None:
    views = of_texts([1, 2, 3, 4], [5, 6, 7, 8])
    shared = views.own_text(torch.tensor([6, 1]))
    assert shared.tolist() == [[False, True], [True, False], [False, False], [False, False]]
    assert views.own_text(torch.tensor([[5], [5], [3], [9]])).squeeze(1).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert not replace(views, text_ids={}).own_text(torch.tensor([1, 5])).any()


def test_what_a_filter_struck_out_is_ruled_out_beside_the_row_s_own_text() -> None:
    views = of_texts([1, 2, 1, 4], [5, 6, 7, 8])
    struck_BB = torch.zeros(4, 4, dtype=torch.bool)
    struck_BB[1, 3] = True
    ruled_out_BB = replace(views, struck_out=struck_BB).ruled_out()
    expected = torch.eye(4, dtype=torch.bool) | struck_BB
    expected[0, 2] = expected[2, 0] = True
    assert torch.equal(ruled_out_BB, expected)
    labelled = replace(views, struck_out=struck_BB, labels=torch.tensor([0, 1, 2, 0]))
    expected[0, 3] = expected[3, 0] = True
    assert torch.equal(labelled.may_be_negative(), ~expected)
    plain = Views.pair(torch.eye(4), torch.eye(4))
    assert torch.equal(plain.ruled_out(), torch.eye(4, dtype=torch.bool))
