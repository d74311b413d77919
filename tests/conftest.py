"""What every test may rely on: few threads, no network, and the shared evaluation data where there is any."""

from __future__ import annotations

import builtins
import io
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["CONTRAPOSE_LEDGER"] = "off"  # tests of the ledger switch it on, in a folder of their own

import pytest

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
