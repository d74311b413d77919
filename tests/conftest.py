"""What every test may rely on, on whatever machine: few threads, no network, no downloaded models, a terminal of no
special kind, not one of several processes, and the shared evaluation data where there is any."""

from __future__ import annotations

import atexit
import builtins
import io
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["CONTRAPOSE_LEDGER"] = "off"  # tests of the ledger switch it on, in a folder of their own
#: What shells, terminals, services that run tests, and launchers of processes set. A test that needs one sets it.
SURROUNDINGS = (
    "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "NO_COLOR", "PY_COLORS",
    "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JUPYTER_COLUMNS", "JUPYTER_LINES",
    "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE",
)  # fmt: skip
for name in SURROUNDINGS:
    os.environ.pop(name, None)
# A shell starts what it puts into the background with Ctrl-C ignored, and processes of tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["TERM"] = "xterm"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="contrapose-no-hub-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)
os.environ["CONTRAPOSE_CACHE"] = tempfile.mkdtemp(prefix="contrapose-no-cache-")
atexit.register(shutil.rmtree, os.environ["CONTRAPOSE_CACHE"], ignore_errors=True)
for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"):
    os.environ.pop(name, None)

# No example is too slow for a machine that does other work, and every machine is asked the same examples.
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("anywhere")

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_runtest_setup() -> None:
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of evaluation data; tests that need it are skipped where it is absent."""
    place = Path(os.environ.get("CONTRAPOSE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not place.is_dir():
        pytest.skip(f"no evaluation data at {place}; set CONTRAPOSE_DATA to its folder")
    return place


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files below ``tmp_path`` that were opened since, by whatever way."""
    names: list[str] = []
    real = io.open

    def watched(file: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(file, int) and Path(os.fsdecode(file)).is_relative_to(tmp_path):
            names.append(Path(os.fsdecode(file)).name)
        return real(file, *args, **options)

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr(io, "open", watched)
    return names
