from __future__ import annotations

import pytest
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout, view_cosine
from contrapose.errors import UsageError
from tests.tiny import SENTENCES


def test_two_dropout_views_differ_and_the_seed_decides_by_how_much(bert: Encoder) -> None:
    before = torch.get_rng_state()
    cosine = view_cosine(bert, SENTENCES, seed=1)
    assert 0.3 < cosine < 0.999
    assert cosine == view_cosine(bert, SENTENCES, seed=1)
    assert cosine != view_cosine(bert, SENTENCES, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not bert.training
    assert not any(module.training for module in bert.modules())


def test_more_dropout_lowers_the_cosine_between_views(tiny_folder) -> None:
    gentle, strong = (Encoder.load(tiny_folder, dropout=p) for p in (0.05, 0.4))
    assert view_cosine(strong, SENTENCES) < view_cosine(gentle, SENTENCES)


def test_without_dropout_the_views_are_equal_and_refused_with_the_remedy(tiny_folder) -> None:
    encoder = Encoder.load(tiny_folder, dropout=0.0)
    assert view_cosine(encoder, SENTENCES) == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(UsageError, match=r"--dropout 0\.1"):
        require_dropout(encoder)
    require_dropout(Encoder.load(tiny_folder, dropout=0.1))


def test_no_text_no_cosine(bert: Encoder) -> None:
    with pytest.raises(UsageError, match="at least one text"):
        view_cosine(bert, [])
