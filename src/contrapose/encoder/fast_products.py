"""Matrix products in fp32 by oneDNN where torch would take MKL on a processor that MKL does not favour.

torch multiplies fp32 matrices on a CPU by MKL. On processors of other makers than Intel, MKL leaves the widest vector
instructions unused: on one with AVX-512, layers of 384 to 1536 ran at 100 GFLOP/s by MKL and at 220 by oneDNN, which
torch holds as well (one thread, 1,024 rows). The sum of a product is the same in exact numbers; its order differs, so
vectors move by the last digits of fp32. The processor's maker decides, not a timing: a machine gives the same vectors
at every call.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn

#: As Linux names the maker of a processor that MKL was written for.
FAVOURED = "GenuineIntel"


def use_fast_products(module: nn.Module) -> None:
    """Let the linear layers of a module at rest (encoder/stillness.py) multiply by oneDNN, where that is faster here.

    For use without gradients. Only plain layers in fp32 on a CPU are touched.
    """
    if not pays_here():
        return
    for layer in module.modules():
        if (
            type(layer) is nn.Linear
            and layer.weight.device.type == "cpu"
            and layer.weight.dtype == torch.float32
        ):
            layer.__dict__["forward"] = partial(linear, layer)


def linear(layer: nn.Linear, input_XD: Tensor) -> Tensor:
    """What the layer gives, by oneDNN."""
    if input_XD.dtype != torch.float32 or not input_XD.numel():
        return nn.functional.linear(input_XD, layer.weight, layer.bias)
    product: Tensor = torch.ops.mkldnn._linear_pointwise(
        input_XD.contiguous(), layer.weight, layer.bias, "none", [], ""
    )
    return product


@cache
def pays_here() -> bool:
    """Whether torch multiplies by MKL here, holds oneDNN as well, and the processor is of another maker than Intel."""
    held = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not held or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    maker = maker_of_processor()
    return maker not in ("", FAVOURED)


def maker_of_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """As Linux names it; "" where it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")
