"""Attention without padding: the tokens of all texts in one row, and each text attends to itself alone.

    ids        (1, S)       text after text, S = the sum of their lengths; nothing is computed for padding
    starts     (N + 1,)     where each text begins in the row, and where the last ends
    position   of a token   its place in its own text; RoBERTa and its kin count from padding_idx + 1, and only tokens
                            that are not the padding token
    attention  of token s   softmax over the tokens of its own text

The vectors are those of padded texts to rounding, and so are gradients; dropout draws other masks of the same kind.

Two kernels: on a GPU in half precision torch's flash attention over ``starts`` (the one under
``torch.nn.attention.varlen``, which has no dropout of its own), elsewhere one fused attention for each text, which
shows that the rest is right and is not fast. On a CPU a training step took 0.93 to 1.27 times as long as with padding
in groups of like length, so it is not used there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

NAME = "unpadded"
#: Types of model of which it is known: absolute positions that can be given, and attention that can be exchanged.
MODEL_TYPES = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})
#: Flash attention takes heads of at most this width, and of a multiple of eight.
WIDEST_HEAD = 256
#: How far vectors in half precision, computed in two ways, may be apart; mixed up among texts they are above 1.
MOST_APART = 0.25


@dataclass(frozen=True)
class Packing:
    """Texts in one row. ``cell_S``: the place of each token in the padded (N, T) table; ``longest`` is T."""

    ids_1S: Tensor
    position_1S: Tensor
    starts: Tensor
    cell_S: Tensor
    lengths: tuple[int, ...]
    longest: int

    def padded(self, states_1SD: Tensor) -> Tensor:
        """(N, T, D): the tokens' states where padded texts have them, 0 at padding."""
        rows, width = len(self.lengths), states_1SD.shape[-1]
        cells_ND = states_1SD.new_zeros(rows * self.longest, width)
        return cells_ND.index_copy(0, self.cell_S, states_1SD[0]).view(rows, self.longest, width)


def pack(token_ids: Sequence[Sequence[int]], padding_index: int | None, device: torch.device) -> Packing:
    """Texts of at least one token each, one after another.

    padding_index: of the table of positions, where the model counts positions from the one after it; else None.

    >>> packing = pack([[7, 8, 9], [5]], None, torch.device("cpu"))
    >>> packing.ids_1S.tolist(), packing.position_1S.tolist(), packing.starts.tolist()
    ([[7, 8, 9, 5]], [[0, 1, 2, 0]], [0, 3, 4])
    >>> pack([[7, 8, 9], [5]], 1, torch.device("cpu")).position_1S.tolist()
    [[2, 3, 4, 2]]
    """
    lengths = np.array([len(row) for row in token_ids])
    assert lengths.min() > 0
    starts = np.concatenate(([0], lengths.cumsum()))
    ids = np.fromiter((token for row in token_ids for token in row), dtype=np.int64, count=starts[-1])
    row_S = np.repeat(np.arange(len(lengths)), lengths)
    place_S = np.arange(len(ids)) - starts[row_S]
    position_S = place_S
    if padding_index is not None:
        counts_S = ids != padding_index
        before = np.concatenate(([0], counts_S.cumsum()))
        position_S = (before[1:] - before[starts[row_S]]) * counts_S + padding_index
    longest = int(lengths.max())

    def on_device(numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(numbers).to(device, non_blocking=True)

    return Packing(
        ids_1S=on_device(ids[None]),
        position_1S=on_device(position_S[None]),
        starts=on_device(starts.astype(np.int32)),
        cell_S=on_device(row_S * longest + place_S),
        lengths=tuple(lengths.tolist()),
        longest=longest,
    )


def known(backbone: Any) -> bool:
    """Whether texts can go through this model without padding."""
    config = backbone.config
    return config.model_type in MODEL_TYPES and not getattr(config, "is_decoder", False)


def register(backbone: Any) -> str | None:
    """Make the attention known to transformers, under the name that is returned; None where the model cannot use it."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if not known(backbone):
        return None
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    return NAME


def fits(device: torch.device, token_ids: Sequence[Sequence[int]]) -> bool:
    """Whether there is a kernel for these texts: on a GPU there is none that is fast in fp32."""
    kernel = device.type == "cpu" or torch.is_autocast_enabled(device.type)
    return kernel and all(map(len, token_ids))


def output_of(
    backbone: Any, token_ids: Sequence[Sequence[int]], device: torch.device, *, layers: bool
) -> Any:
    """What the model gives for padded texts, with 0 at padding, computed without any."""
    packing = pack(token_ids, backbone.embeddings.position_embeddings.padding_idx, device)
    output = backbone(
        input_ids=packing.ids_1S,
        position_ids=packing.position_1S,
        output_hidden_states=layers,
        packing=packing,
    )
    output.last_hidden_state = packing.padded(output.last_hidden_state)
    if layers:
        output.hidden_states = tuple(map(packing.padded, output.hidden_states))
    return output


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    packing: Packing | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """As transformers calls an attention: (N, heads, T, width) in, (N, T, heads, width) out."""
    if packing is None:  # padded texts, for who calls the model by itself
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **others
        )
        return output, None
    kernel = flash if _has_flash(query) else one_by_one
    query_SHD, key_SHD, value_SHD = (each[0].transpose(0, 1) for each in (query, key, value))
    return kernel(query_SHD, key_SHD, value_SHD, packing, dropout, scaling)[None], None


def _has_flash(query: Tensor) -> bool:
    width = query.shape[-1]
    fits = width % 8 == 0 and width <= WIDEST_HEAD
    return query.device.type == "cuda" and query.dtype in (torch.bfloat16, torch.float16) and fits


def flash(
    query_SHD: Tensor,
    key_SHD: Tensor,
    value_SHD: Tensor,
    packing: Packing,
    dropout: float,
    scaling: float | None,
) -> Tensor:
    """(S, heads, width): one launch for all texts, with dropout; on a GPU in half precision alone."""
    starts, longest = packing.starts, packing.longest
    output: Tensor = torch.ops.aten._flash_attention_forward(
        query_SHD, key_SHD, value_SHD, starts, starts, longest, longest, dropout, False, False, scale=scaling
    )[0]
    return output


def one_by_one(
    query_SHD: Tensor,
    key_SHD: Tensor,
    value_SHD: Tensor,
    packing: Packing,
    dropout: float,
    scaling: float | None,
) -> Tensor:
    """(S, heads, width): the attention of each text by itself, on any device."""

    def texts_of(rows_SHD: Tensor) -> Iterator[Tensor]:
        return (text.transpose(0, 1)[None] for text in torch.split(rows_SHD, list(packing.lengths)))

    attend = torch.nn.functional.scaled_dot_product_attention
    outputs = [
        attend(query, key, value, dropout_p=dropout, scale=scaling)[0].transpose(0, 1)
        for query, key, value in zip(*map(texts_of, (query_SHD, key_SHD, value_SHD)), strict=True)
    ]
    return torch.cat(outputs)


def agrees(encoder: Encoder, token_ids: Sequence[Sequence[int]]) -> bool:
    """Whether these texts get like vectors and like gradients with padding and without, in bf16 on this device.

    False too where the kernel is not there: then padding is the way, as it always works.
    """
    before = encoder.attention
    weight = encoder.backbone.embeddings.LayerNorm.weight
    found = []
    try:
        with encoder.in_mode(training=False), torch.enable_grad():
            for name in ("sdpa", NAME):
                encoder.use_attention(name)
                with torch.autocast(encoder.device.type, torch.bfloat16):
                    vectors_ND = encoder.pooled(token_ids)
                # Not their length, which a last layer normalisation holds constant: its gradient is rounding.
                along_D = torch.linspace(-1, 1, vectors_ND.shape[1], device=vectors_ND.device)
                (gradient,) = torch.autograd.grad((vectors_ND @ along_D).sum(), weight)
                found.append((vectors_ND.detach(), gradient))
    except RuntimeError:  # what torch raises for a kernel that this device does not have
        return False
    finally:
        encoder.use_attention(before)
    (padded_ND, padded_D), (other_ND, other_D) = found
    return apart(padded_ND, other_ND) <= MOST_APART and bool(
        (padded_D - other_D).norm() <= MOST_APART * padded_D.norm()
    )


def apart(one_ND: Tensor, other_ND: Tensor) -> float:
    """How far the vectors of texts, computed in two ways, differ, as a share of how far the texts do.

    Not their cosine: an encoder that was never trained says nearly the same of every text.

    >>> apart(torch.eye(2), torch.eye(2)), round(apart(torch.eye(2), torch.eye(2).flip(0)), 3)
    (0.0, 2.0)
    """
    among = (one_ND - one_ND.mean(0)).norm()
    return float((one_ND - other_ND).norm() / among)
