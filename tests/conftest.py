"""What every test may rely on: few threads, no network, and the shared evaluation data where there is any."""

from __future__ import annotations

import os
from pathlib import Path

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
