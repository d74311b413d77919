"""Which programs compute an encoder, in which precisions, and the names of the files that each reads.

==========  ====================  ==============================================================================
backend     precisions            int8
==========  ====================  ==============================================================================
torch       fp32, bf16            none
onnx        fp32, int8            weights by channel; activations by the range that each batch has (ONNX Runtime)
openvino    fp32, bf16, int8      weights by channel; activations by the range that they have on your text (NNCF)
==========  ====================  ==============================================================================

The files lie where sentence-transformers looks for them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePosixPath

from contrapose.errors import MissingExtra, UsageError, nearest

BACKENDS = ("torch", "onnx", "openvino")
FORMATS = ("onnx", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")
KNOWN = {"torch": ("fp32", "bf16"), "onnx": ("fp32", "int8"), "openvino": ("fp32", "bf16", "int8")}
#: What each imports, and the name of its package.
_PACKAGES = {
    "onnx": {"onnx": "onnx", "onnxruntime": "onnxruntime"},
    "openvino": {"openvino": "openvino", "onnx": "onnx"},
}
_FOR_INT8 = {"openvino": {"nncf": "nncf"}}
#: The graph of a format in full precision, and in int8.
_GRAPHS = {
    ("onnx", False): "onnx/model.onnx",
    ("onnx", True): "onnx/model_qint8.onnx",
    ("openvino", False): "openvino/openvino_model.xml",
    ("openvino", True): "openvino/openvino_model_qint8_quantized.xml",
}


def check_kind(backend: str, precision: str) -> None:
    """UsageError for a backend or precision that does not exist, or a pair of them that no program computes.

    >>> check_kind("onnx", "bf16")
    Traceback (most recent call last):
    contrapose.errors.UsageError: the backend onnx does not compute in bf16. Known: fp32, int8; in bf16: torch, openvino
    """
    if backend not in BACKENDS:
        raise UsageError(
            f"unknown backend '{backend}'{nearest(backend, list(BACKENDS))} Known: {', '.join(BACKENDS)}"
        )
    if precision not in PRECISIONS:
        raise UsageError(
            f"unknown precision '{precision}'{nearest(precision, list(PRECISIONS))} Known: {', '.join(PRECISIONS)}"
        )
    if precision not in KNOWN[backend]:
        others = ", ".join(name for name in BACKENDS if precision in KNOWN[name])
        raise UsageError(
            f"the backend {backend} does not compute in {precision}. Known: {', '.join(KNOWN[backend])}; in "
            f"{precision}: {others}"
        )


def check_installed(backend: str, *, making_int8: bool = False) -> None:
    """:class:`MissingExtra` where a package that the backend needs is not there; nothing is imported."""
    needed = _PACKAGES.get(backend, {}) | (_FOR_INT8.get(backend, {}) if making_int8 else {})
    for module, package in needed.items():
        if find_spec(module) is None:
            raise MissingExtra(f"the backend {backend}", backend, package)


def graph_name(backend: str, *, int8: bool) -> str:
    """The file that a program opens, relative to the model's folder.

    >>> graph_name("openvino", int8=False)
    'openvino/openvino_model.xml'
    """
    return _GRAPHS[backend, int8]


def files_of(backend: str, *, int8: bool) -> tuple[str, ...]:
    """All files of a graph: OpenVINO keeps weights beside it.

    >>> files_of("openvino", int8=False)
    ('openvino/openvino_model.xml', 'openvino/openvino_model.bin')
    """
    graph = graph_name(backend, int8=int8)
    return (graph, str(PurePosixPath(graph).with_suffix(".bin"))) if backend == "openvino" else (graph,)
