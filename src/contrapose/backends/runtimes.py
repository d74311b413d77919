"""ONNX Runtime and OpenVINO compute a graph: a batch has one thread, and as many run as torch has threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch

from contrapose.backends.kinds import check_installed
from contrapose.backends.quiet import import_quietly
from contrapose.backends.signal_stack import kept_signal_stack
from contrapose.encoder.tokens import reason_of
from contrapose.errors import ModelError

#: (N, T) token ids and (N, T) mask to (N, T, D) fp32 states.
Network = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: Tokens of a batch. On 200 sentences of Wikipedia, one thread, seconds of the processor with 512 and with 1024 tokens:
#: ONNX Runtime 0.80 and 0.89 in fp32, 0.32 and 0.35 in int8.
TOKENS_PER_BATCH = {"onnx": 512, "openvino": 1024}
#: The sum and the norm behind it as one operator: on those sentences int8 took 0.38 s with it and 0.32 without; fp32
#: graphs do not come to it.
SLOWER_FUSIONS = ("SkipLayerNormFusion",)


def open_network(backend: str, graph: str | Path, precision: str = "fp32") -> Network:
    """A graph ready to compute. precision: bf16 lets OpenVINO multiply in it; fp32 and int8 take the graph as it is.

    Raises :class:`MissingExtra` without the program, :class:`ModelError` for a graph that it cannot read.
    """
    check_installed(backend)
    try:
        return _by_onnxruntime(Path(graph)) if backend == "onnx" else _by_openvino(Path(graph), precision)
    except (RuntimeError, ValueError, OSError) as error:  # what both raise for a file that is no graph
        raise ModelError(f"{graph} cannot be opened by the backend {backend}: {reason_of(error)}") from error
    except Exception as error:
        # ONNX Runtime's own classes of errors stand on Exception alone.
        if type(error).__module__.partition(".")[0] != "onnxruntime":
            raise
        raise ModelError(f"{graph} cannot be opened by the backend {backend}: {reason_of(error)}") from error


def _by_onnxruntime(graph: Path) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(graph),
        sess_options=options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(SLOWER_FUSIONS),
    )
    names = [each.name for each in session.get_inputs()]

    def network(ids_NT: np.ndarray, mask_NT: np.ndarray) -> np.ndarray:
        states_NTD: np.ndarray = session.run(None, _given(names, ids_NT, mask_NT))[0]
        return states_NTD

    return network


def _by_openvino(graph: Path, precision: str) -> Network:
    openvino = import_quietly("openvino")
    threads = torch.get_num_threads()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    with kept_signal_stack():
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(str(graph)), "CPU", settings)
    requests: SimpleQueue[Any] = SimpleQueue()  # each computes one batch at a time
    for _ in range(threads):
        requests.put(compiled.create_infer_request())
    names = [each.get_any_name() for each in compiled.inputs]

    def network(ids_NT: np.ndarray, mask_NT: np.ndarray) -> np.ndarray:
        request = requests.get()
        try:
            states: Any = request.infer(_given(names, ids_NT, mask_NT))
            return np.array(states[0], dtype=np.float32)  # a copy: the next batch is written over it
        finally:
            requests.put(request)

    return network


def _given(names: list[str], ids_NT: np.ndarray, mask_NT: np.ndarray) -> dict[str, np.ndarray]:
    tables = {"input_ids": ids_NT, "attention_mask": mask_NT, "token_type_ids": np.zeros_like(ids_NT)}
    return {name: tables[name] for name in names}
