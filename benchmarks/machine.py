"""The machine and the versions that a result belongs to; a figure without them cannot be compared with another."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Of a processor's flags, those that decide how fast matrices are multiplied.
INSTRUCTIONS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve", "bf16", "i8mm",
)  # fmt: skip
PACKAGES = (
    "contrapose",
    "torch",
    "transformers",
    "sentence-transformers",
    "numpy",
    "onnxruntime",
    "openvino",
)
ROOT = Path(__file__).resolve().parent.parent


def describe() -> dict[str, Any]:
    """Processor, cores, instruction sets, memory, versions, threads that were asked for, and the commit."""
    information = _read("/proc/cpuinfo")
    return {
        "processor": _field(information, "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "instructions": [flag for flag in INSTRUCTIONS if flag in _flags(information)],
        "memory_GB": _memory(_read("/proc/meminfo")),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "commit": commit(),
    }


def in_words(machine: dict[str, Any]) -> str:
    """
    >>> in_words({"processor": "EPYC", "cores": 2, "instructions": ["avx2"], "memory_GB": 23, "python": "3.11.7",
    ...           "versions": {"torch": "2.13.0"}, "threads": "1", "commit": "abc"})
    'EPYC, 2 cores (avx2), 23 GB, threads: 1; Python 3.11.7, torch 2.13.0; commit abc'
    """
    versions = ", ".join(f"{name} {each}" for name, each in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores ({' '.join(machine['instructions'])}), "
        f"{machine['memory_GB']} GB, threads: {machine['threads']}; Python {machine['python']}, {versions}; "
        f"commit {machine['commit']}"
    )


def commit(root: Path = ROOT) -> str:
    """The commit of the checkout, with a mark where files differ from it; "unknown" outside of one."""
    name = _git(root, "rev-parse", "--short=10", "HEAD")
    if not name:
        return "unknown"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{name} with changes" if changed else name


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    lines = (line for line in text.splitlines() if line.partition(":")[0].strip() == name)
    return next(lines, "").partition(":")[2].strip()


def _flags(information: str) -> set[str]:
    return set((_field(information, "flags") or _field(information, "Features")).split())


def _memory(information: str) -> int | None:
    words = _field(information, "MemTotal").split()
    return round(int(words[0]) / (1 << 20)) if words else None
