from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from contrapose.encoder import unpadded
from contrapose.encoder.encoder import Encoder
from contrapose.train.attention import TEXTS, attention_in_training
from tests.tiny import tiny_bert, tiny_mpnet


def on_a_gpu(encoder: Encoder, attention: str = "sdpa") -> Any:
    """What the rule reads of an encoder on a GPU."""
    return SimpleNamespace(
        device=torch.device("cuda"),
        attention=attention,
        backbone=encoder.backbone,
        token_ids=encoder.token_ids,
    )


@pytest.mark.parametrize(("dropout", "attention"), [(0.1, "eager"), (0.0, "sdpa")])
def test_a_processor_pads(tmp_path: Path, dropout: float, attention: str) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model", dropout=dropout))
    assert attention_in_training(encoder, bf16=False) == attention
    assert attention_in_training(encoder, bf16=True) == attention


def test_a_gpu_goes_without_padding_only_in_bf16_and_where_it_was_seen_to_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    looked_at = []
    for agree in (True, False):
        monkeypatch.setattr(unpadded, "agrees", lambda _, ids, agree=agree: looked_at.append(ids) or agree)
        wanted = unpadded.NAME if agree else "sdpa"
        assert attention_in_training(on_a_gpu(encoder), bf16=True) == wanted
        assert attention_in_training(on_a_gpu(encoder), bf16=False) == "sdpa"
    assert looked_at == [encoder.token_ids(TEXTS)] * 2
    assert len({len(ids) for ids in looked_at[0]}) > 4
    assert attention_in_training(on_a_gpu(encoder, unpadded.NAME), bf16=True) == unpadded.NAME
    assert len(looked_at) == 2, "it was looked at again"
    other = Encoder.load(tiny_mpnet(tmp_path / "mpnet"))
    assert attention_in_training(on_a_gpu(other), bf16=True) == "sdpa"
