"""What must hold on a device before anything on it is timed: each check gives the difference that it found."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from contrapose.encoder import unpadded
from contrapose.encoder.encoder import Encoder

SHARE = "difference as a share of how far texts are apart"


@dataclass(frozen=True)
class Check:
    """``difference`` is None where there was nothing to check; ``most`` is the largest that is right."""

    name: str
    difference: float | None
    most: float

    @property
    def holds(self) -> bool:
        return self.difference is None or self.difference <= self.most


def checks(encoder: Encoder, texts: Sequence[str]) -> Iterator[Check]:
    """On the encoder's device, in evaluation mode, one after the other."""
    token_ids = encoder.token_ids(texts)
    known, half = unpadded.known(encoder.backbone), encoder.device.type == "cuda"
    with encoder.in_mode(training=False):
        exact_ND = _vectors(encoder, token_ids, "sdpa", bf16=False)
        half_ND = _vectors(encoder, token_ids, "sdpa", bf16=True)
        yield Check(f"bf16 against fp32, {SHARE}", unpadded.apart(exact_ND, half_ND), unpadded.MOST_APART)
        difference, disagree = None, None
        if known:
            other_ND = _vectors(encoder, token_ids, unpadded.NAME, bf16=half)
            difference = unpadded.apart(exact_ND, other_ND)
            disagree = float(not unpadded.agrees(encoder, token_ids))
        yield Check(f"without padding against fp32, {SHARE}", difference, unpadded.MOST_APART)
        yield Check("without padding, vectors or gradients that disagree (1) or not (0)", disagree, 0.0)
    yield Check("tiled loss and gradient against dense, relative", tiled_apart(encoder.device), 1e-4)


def tiled_apart(device: torch.device, rows: int = 512, width: int = 64) -> float | None:
    """The largest relative difference of loss and gradients; None where this version has no tiled loss."""
    import contrapose

    if "tiled" not in inspect.signature(contrapose.loss).parameters:
        return None
    random = torch.Generator().manual_seed(0)
    views = [torch.randn(rows, width, generator=random).to(device).requires_grad_() for _ in range(2)]
    found = []
    for tiled in (False, True):
        value = contrapose.loss("simcse", *views, tiled=tiled).total
        found.append((value[None].detach(), *torch.autograd.grad(value, views)))
    return max(float((one - other).norm() / one.norm()) for one, other in zip(*found, strict=True))


@torch.no_grad()
def _vectors(
    encoder: Encoder, token_ids: Sequence[Sequence[int]], attention: str, *, bf16: bool
) -> torch.Tensor:
    before = encoder.attention
    encoder.use_attention(attention)
    try:
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=bf16):
            return encoder.pooled(token_ids)
    finally:
        encoder.use_attention(before)
