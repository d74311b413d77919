"""What a user may hand to :func:`contrapose.loss`: checked once, at the door, so that a mistake is told by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from contrapose.contract import Needs, key_of
from contrapose.errors import UsageError, nearest


def check_vectors(anchor: Any, positive: Any, negatives: Any = None) -> None:
    """Raise :class:`UsageError` for what is no batch: floating-point tensors (B, D), at least one row each."""
    _check_one("anchor", anchor)
    shape = tuple(anchor.shape)
    _check_one("positive", positive, shape)
    if negatives is None:
        return
    if isinstance(negatives, Tensor):
        if negatives.dim() != 3:
            _check_one("negatives", negatives, shape)
        elif (negatives.shape[0], negatives.shape[2]) != shape:
            expected = f"({shape[0]}, K, {shape[1]})"
            raise UsageError(
                f"negatives have shape {tuple(negatives.shape)}, and anchor {shape}: expected {expected}"
            )
        else:
            _check_kind("negatives", negatives)
    elif isinstance(negatives, Sequence) and not isinstance(negatives, str):
        for number, negative in enumerate(negatives, start=1):
            _check_one(f"negative {number}", negative, shape)
    else:
        raise UsageError(
            f"negatives is {_kind(negatives)}: give a tensor (B, D) or (B, K, D), or a list of (B, D)"
        )


def check_needs(method: str, needs: Needs, anchor: Tensor, views: Mapping[str, Any]) -> dict[str, Tensor]:
    """The further views that a method is given, checked; UsageError names the first that it needs and has not, one that
    it would ignore, and one of another width than what it is compared with."""
    if beyond := _beyond_vectors(needs):
        raise UsageError(
            f"method '{method}' needs {beyond} beside vectors: train with it (contrapose train), or call its Objective "
            "on Views that hold them"
        )
    expected = _like(needs)
    for key in expected:
        if key not in views:
            raise UsageError(
                f"method '{method}' needs the view '{key}': give it as views={{'{key}': tensor of {len(anchor)} rows}}"
            )
    for key, vectors in views.items():
        if key not in expected:
            known = f"It reads {', '.join(expected)}" if expected else "It reads no further views"
            raise UsageError(
                f"method '{method}' would ignore the view '{key}'{nearest(key, list(expected))} {known}; anchor, "
                "positive and negatives are arguments of their own"
            )
        _check_one(key, vectors)
        if len(vectors) != len(anchor):
            raise UsageError(f"{key} has {len(vectors)} rows, and anchor {len(anchor)}: they must be equal")
    widths = {"anchor": anchor.shape[1], **{key: vectors.shape[1] for key, vectors in views.items()}}
    for key, like in expected.items():
        if widths[key] != widths[like]:
            raise UsageError(
                f"{key} has {widths[key]} numbers a row, and {like} {widths[like]}: the method compares the two, so "
                "they must be equal"
            )
    return dict(views)


def _beyond_vectors(needs: Needs) -> str:
    """What no vectors hold, in words; empty where they are enough."""
    needed = {
        "tokens": needs.tokens,
        "labels": needs.labels,
        "networks": needs.networks,
        "the corpus that its rows are from": needs.row_texts,
        "texts inside a template": needs.template,
        "scores of a teacher": needs.targets,
    }
    return " and ".join(words for words, is_needed in needed.items() if is_needed)


def _like(needs: Needs) -> dict[str, str]:
    """Each view that is needed beside anchor, positive and negatives -> the one whose width it must have."""
    both = ("anchor", "positive")
    # Negatives have a way of their own.
    like = {text: "anchor" for text in needs.texts if not text.startswith("negative_")}
    like |= {key_of(view, layer): "anchor" for layer in needs.layers for view in both}
    pooled = key_of("anchor", "pooled")
    if needs.pooled:
        like |= {key_of(view, "pooled"): pooled for view in both}
    for model in needs.companions:
        keys = [key_of(view, model.name) for view in model.reads]
        # What has passed the head is compared with what has, and what has not with what has not.
        compared = pooled if needs.pooled and not model.through_head else "anchor"
        like |= dict.fromkeys(keys, compared if model.same_width else keys[0])
    return like


def _check_one(name: str, vectors: Any, shape: tuple[int, ...] | None = None) -> None:
    if not isinstance(vectors, Tensor):
        raise UsageError(
            f"{name} is {_kind(vectors)}: give a tensor (B, D), for example torch.as_tensor(vectors)"
        )
    _check_kind(name, vectors)
    if vectors.dim() != 2 or 0 in vectors.shape:
        raise UsageError(
            f"{name} has shape {tuple(vectors.shape)}: give (B, D), a vector of D numbers for each of B rows, both at "
            "least 1"
        )
    if shape is not None and tuple(vectors.shape) != shape:
        raise UsageError(f"{name} has shape {tuple(vectors.shape)}, and anchor {shape}: they must be equal")


def _check_kind(name: str, vectors: Tensor) -> None:
    if not torch.is_floating_point(vectors):
        raise UsageError(
            f"{name} holds {str(vectors.dtype).removeprefix('torch.')}, and a loss needs floating point: {name}.float()"
        )


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}" if value is not None else "None"
