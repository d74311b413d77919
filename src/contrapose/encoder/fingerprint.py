"""What makes two models one: a hash of their weights and of all else that shapes what they give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def hash_of(weights: Mapping[str, Tensor], tokenizer: Any, shaping: list[Any]) -> str:
    """sha256 over weights (as fp32), settings that shape a vector, and the tokenizer."""
    digest = hashlib.sha256()
    for key, tensor in sorted(weights.items()):
        values = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else None).contiguous()
        digest.update(f"{key} {tuple(values.shape)} {values.dtype}\n".encode())
        digest.update(values.numpy().tobytes())
    digest.update(json.dumps([shaping, _tokenizer_record(tokenizer)], sort_keys=True).encode())
    return digest.hexdigest()


def _tokenizer_record(tokenizer: Any) -> Any:
    """The tokenizer as data, without the truncation and padding that the last call happened to set."""
    if not getattr(tokenizer, "is_fast", False):
        return sorted(tokenizer.get_vocab().items())
    record = json.loads(tokenizer.backend_tokenizer.to_str())
    return {key: value for key, value in record.items() if key not in ("truncation", "padding")}
