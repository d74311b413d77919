"""What an encoder is made of, read from a folder, a hub name or the embedded model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contrapose.encoder.backbone import load_backbone, width_of
from contrapose.encoder.heads import build_head
from contrapose.encoder.lengths import length_of
from contrapose.encoder.opening import open_model
from contrapose.encoder.pooling import check_pooling
from contrapose.encoder.templates import check_mask_pooling, template_tokens, write_around_every_text
from contrapose.encoder.word_weights import weights_of
from contrapose.errors import UsageError


def read_parts(
    model: str | Path,
    *,
    pooling: str | None,
    head: str | None,
    dropout: float | None,
    max_length: int | None,
    revision: str | None,
    head_seed: int,
    templates: Sequence[str],
) -> dict[str, Any]:
    """The arguments of :class:`contrapose.encoder.encoder.Encoder`, by name; of its ``load`` are those here, and what
    is raised."""
    if pooling is not None:
        check_pooling(pooling)
    source, layout = open_model(model, revision)
    network, tokenizer, pooler = load_backbone(layout.backbone, source.name, dropout)
    chosen_pooling = "mask" if templates else pooling or layout.pooling
    if templates and pooling not in (None, "mask"):
        raise UsageError(
            f"pooling '{pooling}' would be ignored: the method's template takes the state at its mask token"
        )
    around = [template_tokens(tokenizer, words, source.name) for words in templates]
    if around:
        write_around_every_text(tokenizer, around[0])
    if chosen_pooling == "mask":
        check_mask_pooling(tokenizer, layout.weighted_token, source.name)
    chosen_head = head or _preset_head(layout.kind, chosen_pooling)
    return {
        "backbone": network,
        "tokenizer": tokenizer,
        "pooler": pooler,
        "pooling": chosen_pooling,
        "head": build_head(chosen_head, width_of(network, source.name), head_seed),
        "normalize": layout.normalize,
        "max_length": length_of(max_length, layout.max_length, network, tokenizer, source.name),
        "name": source.name,
        "kind": layout.kind,
        "lower_case": layout.lower_case,
        "prompt": layout.prompt,
        "templates": around,
        "word_weights": weights_of(layout.word_weights, chosen_pooling, network, source.name),
    }


def _preset_head(kind: str, pooling: str) -> str:
    return "linear-tanh" if kind == "masked-lm" and pooling == "cls" else "none"
