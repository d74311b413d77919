"""From token vectors to one vector per text: the only pooling code in the package.

Training, evaluation, bulk encoding and the exported folder all come through :func:`pool`. Sums run in fp32 whatever
the backbone ran in.

=====================  ===============================================================================================
``cls``                the vector of the first token. A train-time head may stand on it.
``cls_before_pooler``  the same vector; the name says that no head may ever stand on it, not even in training.
``avg``                the mean over the tokens that are not padding, weighted where the model weighs its words
                       (encoder/word_weights.py)
``avg_first_last``     the mean of the first and the last layer, then over tokens. "First" is ``hidden_states[1]``, the
                       output of layer one, as in SimCSE's current code (at the time of its paper: the embeddings).
``avg_top2``           the mean of the last two layers, then over tokens
``mask``               the mean over the mask tokens: of a template, there is one (encoder/templates.py)
=====================  ===============================================================================================

SimCSE's ``cls`` also names BERT's own "pooler" layer; that layer is never loaded here. A sentence-transformers folder
whose Pooling says ``cls`` means the raw vector of the first token, which is ``cls`` here too.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from contrapose.errors import UsageError, nearest

#: Poolings that sentence-transformers can express, and its word for them.
PORTABLE = {"cls": "cls_token", "cls_before_pooler": "cls_token", "avg": "mean_tokens", "mask": "mean_tokens"}

POOLINGS = ("cls", "cls_before_pooler", "avg", "avg_first_last", "avg_top2", "mask")


def check_pooling(name: str) -> str:
    """``name`` itself, or a :class:`UsageError` that lists the known ones.

    >>> check_pooling("avg")
    'avg'
    """
    if name not in POOLINGS:
        raise UsageError(f"unknown pooling '{name}'{nearest(name, POOLINGS)} Known: {', '.join(POOLINGS)}")
    return name


def needs_layers(name: str) -> bool:
    """Whether the pooling reads inner layers, so that the backbone must keep them."""
    return name in ("avg_first_last", "avg_top2")


def pool(name: str, last_NTD: Tensor, mask_NT: Tensor, layers: Sequence[Tensor] | None = None) -> Tensor:
    """One fp32 vector per text.

    last_NTD  output of the last layer; ``mask_NT`` is True (or 1) at tokens, False at padding on the right; for the
              pooling ``mask``, True at mask tokens alone; where words are weighed, their weights (floating point)
    layers    ``hidden_states`` of transformers (embeddings first), for the poolings of :func:`needs_layers`.
    Returns (N, D) float32.

    >>> import torch
    >>> tokens = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [99.0, 99.0]]])
    >>> pool("avg", tokens, torch.tensor([[1, 1, 0]])).tolist()
    [[2.0, 0.0]]
    >>> pool("cls", tokens, torch.tensor([[1, 1, 0]])).tolist()
    [[1.0, 0.0]]
    """
    if name in ("cls", "cls_before_pooler"):
        return last_NTD[:, 0].float()
    if name in ("avg", "mask"):
        return mean_of_tokens(last_NTD.float(), mask_NT)
    if layers is None:
        raise ValueError(f"pooling '{name}' needs the inner layers")
    first, second = (layers[1], layers[-1]) if name == "avg_first_last" else (layers[-2], layers[-1])
    return mean_of_tokens((first.float() + second.float()) / 2, mask_NT)


def pool_layer(name: str, layer_NTD: Tensor, mask_NT: Tensor) -> Tensor:
    """(N, D) float32: one inner layer pooled as the last one is: its first token, or the mean over its tokens."""
    if name in ("cls", "cls_before_pooler"):
        return layer_NTD[:, 0].float()
    return mean_of_tokens(layer_NTD.float(), mask_NT)


def mean_of_tokens(tokens_NTD: Tensor, mask_NT: Tensor) -> Tensor:
    """The mean over unmasked tokens, (N, D), weighted where the mask is of floating point; the zero vector for a text
    without tokens."""
    kept_NT1 = mask_NT.bool().unsqueeze(-1)
    kept_NTD = tokens_NTD.masked_fill(~kept_NT1, 0.0)
    if not mask_NT.is_floating_point():
        return kept_NTD.sum(dim=1) / kept_NT1.sum(dim=1).clamp(min=1)
    weight_NT1 = mask_NT.unsqueeze(-1)
    return (weight_NT1 * kept_NTD).sum(dim=1) / weight_NT1.sum(dim=1).clamp(min=1e-6)
