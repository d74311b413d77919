"""Another Python, which has the rivals that this one lacks: ``python -m benchmarks --rival-python PATH`` names it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

VARIABLE = "CONTRAPOSE_RIVAL_PYTHON"


def rival_python(package: str) -> str | None:
    """The Python to run a rival in: this one where it has the package, else the named one if that has it; else None."""
    if find_spec(package) is not None:
        return sys.executable
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    has_it = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    done = subprocess.run([named, "-c", has_it], check=False, capture_output=True)
    return named if done.returncode == 0 else None
