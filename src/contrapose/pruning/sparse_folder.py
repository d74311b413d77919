"""The folder of a sparse model: encoder, mask (``mask.safetensors``), and how it was made (``sparsity.json``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from contrapose.encoder.card import model_card
from contrapose.encoder.encoder import Encoder
from contrapose.protocols.mask_file import MASK_NAME
from contrapose.protocols.masked import ENCODER

#: The record beside the mask.
RECORD_NAME = "sparsity.json"


def counts_of(masks: dict[str, Tensor]) -> dict[str, Any]:
    """How many weights are masked, and how many of them are zero, all in all and by matrix."""
    zeroed = {name.removeprefix(ENCODER): int((~mask).sum()) for name, mask in masks.items()}
    return {
        "weights": sum(mask.numel() for mask in masks.values()),
        "zeroed": sum(zeroed.values()),
        "matrices": len(masks),
        "zeroed_by_matrix": zeroed,
    }


def left_alone(encoder: Encoder, masks: dict[str, Tensor]) -> int:
    """How many weights of the encoder no mask is about."""
    every: int = sum(weight.numel() for weight in encoder.backbone.parameters())
    return every - sum(mask.numel() for mask in masks.values())


def write(encoder: Encoder, folder: Path, masks: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write the folder, whole or not at all."""
    numbers = [
        {
            "measured": f"{effect['task']} {effect['metric']}",
            "before": effect["before"],
            "after": effect["after"],
        }
        for effect in record["effects"]
    ]
    summary = {name: value for name, value in record.items() if name not in ("effects", "zeroed_by_matrix")}
    card = model_card(
        encoder, summary, numbers=numbers, fingerprint=record["fingerprint"], outcome=record["verdict"]
    )
    tensors = {name.removeprefix(ENCODER): mask.cpu().contiguous() for name, mask in masks.items()}
    beside = {
        MASK_NAME: tensors_to_bytes(tensors),
        RECORD_NAME: (json.dumps(record, indent=2) + "\n").encode(),
    }
    encoder.save(folder, card, provenance={"sparsity": summary}, beside=beside)
