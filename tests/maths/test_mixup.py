"""Shares and partners of mixed pairs: of the right distribution, the same for the same path, never an excluded one."""

from __future__ import annotations

import torch

from contrapose.maths.mixup import beta_shares, drawn_partner, least_alike, most_alike


def test_shares_follow_the_beta_distribution_and_are_raised_to_the_least() -> None:
    for shape in (0.5, 1.0, 4.0):
        drawn = beta_shares(shape, 20_000, 0, "test", shape == 1.0)
        assert abs(drawn.mean() - 0.5) < 0.01
        assert abs(drawn.var() - 1 / (4 * (2 * shape + 1))) < 0.005
    raised = beta_shares(1.0, 1_000, 0, "test", least=0.8)
    assert raised.min() == 0.8
    assert 0.7 < (raised == 0.8).double().mean() < 0.9
    assert torch.equal(beta_shares(1.0, 5, 3, "test", 7), beta_shares(1.0, 5, 3, "test", 7))
    assert not torch.equal(beta_shares(1.0, 5, 3, "test", 7), beta_shares(1.0, 5, 3, "test", 8))


def test_every_allowed_partner_is_as_likely_as_another_and_no_other_is_drawn() -> None:
    allowed = torch.tensor([[False, True, True, False], [False, False, False, False]])
    counts = torch.zeros(2, 4)
    for step in range(2_000):
        chosen, has_any = drawn_partner(allowed, 0, "test", step)
        assert has_any.tolist() == [True, False]
        counts[torch.arange(2), chosen] += 1
    assert counts[0, [0, 3]].sum() == 0
    assert 900 < counts[0, 1] < 1_100
    assert counts[1].tolist() == [0, 2_000, 0, 0], "a row without any is given itself"


def test_an_excluded_column_is_never_mined_whatever_the_sign_of_the_cosines() -> None:
    """A mask of zeros would win the search for the least of positive numbers, and for the most of negative ones."""
    allowed = torch.tensor([[False, True, True], [True, False, True], [False, False, False]])
    for sign in (1.0, -1.0):
        cosine = sign * torch.tensor([[0.9, 0.4, 0.6], [0.3, 0.9, 0.7], [0.1, 0.2, 0.3]])
        least, has_any = least_alike(cosine, allowed)
        most, _ = most_alike(cosine, allowed)
        assert has_any.tolist() == [True, True, False]
        assert (least if sign > 0 else most).tolist() == [1, 0, 2]
        assert (most if sign > 0 else least).tolist() == [2, 2, 2]
