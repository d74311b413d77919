"""A graph in whole numbers of 8 bits.

ONNX Runtime    dynamic: the products' weights by channel, their inputs by the range that they have in each batch. With
                ranges fixed beforehand it was slower here and its vectors were further off (cosine 0.93, not 0.99).
OpenVINO        static: ranges from texts of yours, large channels evened out between weights and inputs (NNCF).

Only matrix products are touched; word tables, norms and softmax stay in fp32.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.backends.kinds import check_installed
from contrapose.backends.quiet import import_quietly
from contrapose.backends.signal_stack import kept_signal_stack
from contrapose.encoder.by_length import length_batches, padded

#: Tokens of the batches that ranges are taken from, and texts that give them.
TOKENS_PER_BATCH, CALIBRATION_TEXTS = 1024, 256


def quantise_onnx(graph: Path, out: Path) -> None:
    """``graph`` in int8, by dynamic quantisation of its matrix products."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises to run a step first that makes no difference here
    try:
        quantize_dynamic(
            str(graph),
            str(out),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        root.setLevel(level)


def quantise_openvino(graph: Path, out: Path, token_ids: Sequence[Sequence[int]], padding: int) -> None:
    """``graph`` in int8, with ranges taken from the token ids of some texts."""
    check_installed("openvino", making_int8=True)
    openvino, nncf = import_quietly("openvino"), import_quietly("nncf")
    model = openvino.Core().read_model(str(graph))
    names = [each.get_any_name() for each in model.inputs]
    batches: list[dict[str, Any]] = []
    for batch in length_batches([len(ids) for ids in token_ids], TOKENS_PER_BATCH):
        ids_NT, mask_NT = padded([token_ids[row] for row in batch], padding)
        tables = {"input_ids": ids_NT, "attention_mask": mask_NT, "token_type_ids": np.zeros_like(ids_NT)}
        batches.append({name: tables[name] for name in names})
    # By itself alone: its own function for this changes the handlers of the whole program's log.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    with redirect_stdout(io.StringIO()), kept_signal_stack():  # its progress bars
        made = nncf.quantize(
            model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(batches)
        )
    openvino.save_model(made, str(out), compress_to_fp16=False)


def to_openvino(graph: Path, out: Path) -> None:
    """A graph of ONNX as OpenVINO keeps it, in fp32."""
    openvino = import_quietly("openvino")
    openvino.save_model(openvino.Core().read_model(str(graph)), str(out), compress_to_fp16=False)
