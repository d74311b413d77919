from __future__ import annotations

import pytest
import torch

from contrapose.maths.masking import hide

MASK = 3


def test_of_the_hidden_words_80_in_100_are_masked_10_are_others_and_10_stay() -> None:
    random = torch.Generator().manual_seed(0)
    ids = torch.full((200, 200), 7)
    hidden = hide(
        ids, torch.ones_like(ids, dtype=torch.bool), torch.rand(3, 200, 200, generator=random), MASK, 1000
    )
    masked = (hidden == MASK).double().mean().item()
    stayed = (hidden == 7).double().mean().item()
    assert masked == pytest.approx(0.8, abs=0.01)
    assert stayed == pytest.approx(0.1, abs=0.01)
    assert int(hidden.max()) < 1000
