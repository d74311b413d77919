"""A Ray cluster of this machine for the tests of one file, and commands that work on it in processes of their own."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    # The cluster of these tests is open to nobody else on the machine, and reads no token of the person who runs them.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")


def contrapose(*words: object) -> list[str]:
    """A command line of contrapose."""
    return [sys.executable, "-m", "contrapose", *map(str, words)]


def answer(*words: object, cwd: Path, code: int = 0) -> str:
    """What a command says on both of its outputs; fails where its exit code is another."""
    done = subprocess.run(
        contrapose(*words),
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


@dataclass(frozen=True)
class Cluster:
    """address: of its head; head: the process that everything of it is started by."""

    address: str
    head: subprocess.Popen[bytes]

    def processes(self, name: str) -> list[int]:
        """Worker processes by what Ray calls them, such as "ray::BlockWorker"."""
        return [pid for pid in descendants(self.head.pid) if title(pid).startswith(name)]


def descendants(pid: int) -> list[int]:
    """All processes that a process started, and those that they started."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(path.parent.name))
    found, rest = [], [pid]
    while rest:
        children = parents.get(rest.pop(), [])
        found += children
        rest += children
    return found


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head with two processors, which is all there is of it."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets must be short
    port = free_port()
    head = subprocess.Popen(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2", f"--temp-dir={folder}"),
            *("--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"),
            *(f"--ray-client-server-port={free_port()}", f"--dashboard-port={free_port()}"),
        ],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(port), at_work=lambda: head.poll() is None)
        yield Cluster(f"127.0.0.1:{port}", head)
    finally:
        left = descendants(head.pid)
        head.send_signal(signal.SIGTERM)
        try:
            head.wait(30)
        except subprocess.TimeoutExpired:
            head.kill()
        for pid in left:
            if title(pid):
                kill(pid)
        shutil.rmtree(folder, ignore_errors=True)


def kill(pid: int) -> None:
    """Kill a process that may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command that goes on while the test does; it ends with the test."""
    processes = []

    def start(*words: object, cwd: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            contrapose(*words),
            cwd=cwd,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()
