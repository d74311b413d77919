"""What a run was computed with: device, precision, versions. A number without these cannot be repeated."""

from __future__ import annotations

import platform
from typing import Any

import torch

from contrapose.errors import UsageError
from contrapose.ledger import PACKAGES, versions
from contrapose.train.precision import computes_in_bf16, faster_on


def pick_device(name: str, local_rank: int = 0) -> torch.device:
    """The device to compute on; ``auto`` is a GPU where there is one, of several that of ``local_rank``."""
    if torch.cuda.is_available() and local_rank >= torch.cuda.device_count() and name in ("auto", "cuda"):
        raise UsageError(
            f"this is process {local_rank} of this machine (LOCAL_RANK), and torch sees {torch.cuda.device_count()} "
            "GPU: start as many processes as there are GPUs, or use --device cpu"
        )
    if name == "auto":
        return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device '{name}': use auto, cpu, cuda or cuda:0") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device '{name}' is not there: torch sees no CUDA GPU. Use --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{name}' is not supported: use cpu or cuda")
    return torch.device("cuda", local_rank) if name == "cuda" else device


def pick_precision(name: str, device: torch.device) -> bool:
    """True for bf16 in the encoder's forward passes; similarities are fp32 in any case.

    auto: what a probe of layers of the usual width shows to be faster here, see :mod:`contrapose.train.precision`.
    """
    return name == "bf16" or (name == "auto" and faster_on(device).bf16)


def describe_environment(device: torch.device, num_processes: int = 1) -> dict[str, Any]:
    """Versions, machine and threads, as plain data."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(PACKAGES),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": num_processes,
        "native_bf16": computes_in_bf16(device),
    }
