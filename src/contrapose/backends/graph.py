"""The network of an encoder as an ONNX graph: token ids in, the states that are pooled out.

    input_ids (batch, length)  attention_mask (batch, length)  [token_type_ids (batch, length)]
        -> last_hidden_state (batch, length, D)

Both axes are free. Pooling and normalisation stay outside: sentence-transformers does them by the folder's
modules.json, contrapose by encoder/pooling.py. For poolings of two layers, which sentence-transformers does not know,
the output is the mean of both, so that one mean over tokens is left in every case.

The graph is traced at one shape, then compared with the network at others: a number that tracing froze would show.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.encoder.pooling import needs_layers
from contrapose.encoder.stillness import at_rest, with_own_configs
from contrapose.encoder.tokens import reason_of
from contrapose.errors import ModelError

if TYPE_CHECKING:
    from contrapose.backends.runtimes import Network
    from contrapose.encoder.encoder import Encoder

#: LayerNormalization is one operator from 17 on, and every runtime of the last years reads it.
OPSET = 17
#: What one file of ONNX holds; larger ones keep weights beside it.
LARGEST = 2**31 - 2**20
OUTPUT = "last_hidden_state"
#: Rows and tokens of the trace, and of the comparisons.
TRACED = (2, 7)
COMPARED = ((1, 3), (3, 5), (5, 11), (2, 16))
#: The largest difference of a state, where states are about 1: fp32 summed in another order.
TOLERANCE = 2e-4


class States(nn.Module):
    """What is pooled, as one table: the last layer, or the mean of the two that the pooling takes."""

    def __init__(self, backbone: Any, pooling: str, inputs: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.pooling, self.inputs = backbone, pooling, inputs

    def forward(self, *tables_NT: Tensor) -> Tensor:
        layers = needs_layers(self.pooling)
        output = self.backbone(
            **dict(zip(self.inputs, tables_NT, strict=True)), output_hidden_states=layers, return_dict=True
        )
        if not layers:
            last_NTD: Tensor = output.last_hidden_state
            return last_NTD
        states = output.hidden_states
        first_NTD, second_NTD = (states[1 if self.pooling == "avg_first_last" else -2], states[-1])
        mean_NTD: Tensor = (first_NTD + second_NTD) / 2
        return mean_NTD


def states_of(encoder: Encoder) -> States:
    """A copy at rest that shares the weights, with the attention that programs fuse best."""
    copied = at_rest(encoder)
    with_own_configs(copied)
    copied.use_attention("eager")
    return States(copied.backbone, encoder.pooling, inputs_of(encoder))


def inputs_of(encoder: Encoder) -> tuple[str, ...]:
    """What the network reads; token types where the tokenizer of its kind writes them."""
    names = ("input_ids", "attention_mask")
    types = "token_type_ids" in encoder.tokenizer.model_input_names and hasattr(
        encoder.backbone.config, "type_vocab_size"
    )
    return (*names, "token_type_ids") if types else names


def to_onnx(encoder: Encoder) -> bytes:
    """The graph of an encoder, in fp32.

    Raises :class:`ModelError` for a network that cannot be traced, and for one too large for one file.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in encoder.backbone.state_dict().values())
    if size > LARGEST:
        raise ModelError(
            f"'{encoder.name}' has {size / 1e9:.1f} GB of weights, and one file of ONNX holds 2.1. Use --backend torch"
        )
    states, inputs = states_of(encoder), inputs_of(encoder)
    axes = {name: {0: "batch", 1: "length"} for name in (*inputs, OUTPUT)}
    file = io.BytesIO()
    try:
        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                states,
                _tables(encoder, *TRACED),
                file,  # type: ignore[arg-type]  # the exporter by tracing takes files, and is typed for paths
                input_names=list(inputs),
                output_names=[OUTPUT],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(
            f"the network of '{encoder.name}' cannot be written as a graph ({reason_of(error)}). Use --backend torch"
        ) from error
    return file.getvalue()


def check_equal(encoder: Encoder, network: Network) -> None:
    """:class:`ModelError` where a graph's states differ from the encoder's by more than rounding, at any shape."""
    states = states_of(encoder)
    for shape in COMPARED:
        tables = _tables(encoder, *shape)
        with torch.inference_mode():
            expected_NTD = states(*tables).numpy()
        found_NTD = network(tables[0].numpy(), tables[1].numpy())
        kept_NT = tables[1].numpy() > 0
        apart = np.abs(found_NTD - expected_NTD)[kept_NT].max() / max(1.0, np.abs(expected_NTD).max())
        if not apart <= TOLERANCE:
            raise ModelError(
                f"the graph of '{encoder.name}' gives other states than the network, by {apart:.2g} at {shape[0]} "
                f"texts of {shape[1]} tokens. It is not used: take --backend torch"
            )


def _tables(encoder: Encoder, rows: int, length: int) -> tuple[Tensor, ...]:
    """Token ids of ``rows`` texts of which the last is shorter, their mask, and their types."""
    words = encoder.backbone.get_input_embeddings().num_embeddings
    padding = encoder.tokenizer.pad_token_id or 0
    length = min(length, encoder.max_length)
    ids_NT = (torch.arange(rows * length).reshape(rows, length) * 7 + 5) % words
    ids_NT[ids_NT == padding] = (padding + 1) % words
    mask_NT = torch.ones_like(ids_NT)
    if rows > 1:
        ids_NT[-1, length // 2 + 1 :], mask_NT[-1, length // 2 + 1 :] = padding, 0
    tables = {"input_ids": ids_NT, "attention_mask": mask_NT, "token_type_ids": torch.zeros_like(ids_NT)}
    return tuple(tables[name].to(encoder.device) for name in inputs_of(encoder))
