"""Which attention the steps of a run use: the fastest whose results were seen to be right on this machine."""

from __future__ import annotations

from contrapose.encoder import unpadded
from contrapose.encoder.encoder import Encoder

#: What is looked at before a run without padding: texts of unlike lengths.
TEXTS = tuple("a word, " * count for count in (1, 2, 3, 5, 8, 13))


def attention_in_training(encoder: Encoder, *, bf16: bool) -> str:
    """ "eager" on a CPU with dropout, since the fused attention draws its masks slowly there; on a GPU in bf16
    "unpadded", where vectors and gradients with and without padding agree; else "sdpa"."""
    if encoder.device.type == "cpu":
        return "eager" if encoder.dropout_probability() > 0 else "sdpa"
    if encoder.attention == unpadded.NAME:  # looked at before
        return unpadded.NAME
    if encoder.device.type == "cuda" and bf16 and unpadded.known(encoder.backbone):
        return unpadded.NAME if unpadded.agrees(encoder, encoder.token_ids(TEXTS)) else "sdpa"
    return "sdpa"
