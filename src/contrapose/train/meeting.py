"""How the processes of a run find one another: at an address where each leaves word of itself, within a stated time.

A process whose partner never comes says which one it misses. Only when all are there, and were started for the same
run, do they connect for the work itself.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from contrapose.data.text import printable
from contrapose.errors import UsageError
from contrapose.train.agreement import processes_in_words, refuse_differences
from contrapose.train.launch import JOIN_MINUTES, Launch, minutes_to_join

#: Seconds of one try to reach the address, and between two looks at who is there: Ctrl-C is heard in between.
TRY, LOOK = 5.0, 0.05
#: Seconds that the process with the meeting place stays after a refusal, so that the others can read why.
STAY = 10.0
_MEETINGS = itertools.count()


@dataclass(frozen=True)
class Peer:
    """Where a process of the run is: what tells those on the same machine whether it still lives."""

    host: str
    pid: int

    @classmethod
    def here(cls) -> Peer:
        return cls(socket.gethostname(), os.getpid())

    def is_gone(self) -> bool:
        """Whether it has surely ended; of a process on another machine nothing is known."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        try:  # one that its parent has not looked after yet is there, and dead
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return False
        return state in ("Z", "X")


def meet(launch: Launch, about: Mapping[str, str]) -> tuple[Any, tuple[Peer, ...]]:
    """Wait for all processes of the run, and compare what they say of themselves; (what they share, all of them).

    Raises UsageError where the address cannot be reached, where a process does not come in time, and where the
    processes were not started for the same run.
    """
    deadline = time.monotonic() + 60 * minutes_to_join()
    number = next(_MEETINGS)  # one program may train twice
    store = PrefixStore(
        f"contrapose-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}-{number}",
        _store(launch, deadline),
    )
    here, said = Peer.here(), json.dumps(dict(about), sort_keys=True)
    digest = hashlib.sha256(said.encode()).hexdigest()
    store.set(f"about-{launch.rank}", said)
    store.set(f"here-{launch.rank}", json.dumps({"host": here.host, "pid": here.pid, "digest": digest}))
    _wait_for_all(store, launch, deadline)
    there = [json.loads(each) for each in store.multi_get(_marks("here", launch.size))]
    if len({each["digest"] for each in there}) > 1:
        _refuse(store, launch)
    return PrefixStore("work", store), tuple(Peer(each["host"], each["pid"]) for each in there)


def _refuse(store: Any, launch: Launch) -> None:
    """Say in what the processes differ; not before all have read it, since the first may hold what they read."""
    told = [json.loads(each) for each in store.multi_get(_marks("about", launch.size))]
    store.set(f"read-{launch.rank}", "")
    with suppress(RuntimeError):
        _look(time.monotonic() + STAY, lambda: store.check(_marks("read", launch.size)))
    refuse_differences(told)


_STORES: dict[str, Any] = {}


def _store(launch: Launch, deadline: float) -> Any:
    """The place that all processes read and write: the first makes it, unless torchrun has. It lasts as long as the
    process, since others may go to their next meeting while one still leaves the last."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    address = f"{host}:{port}"
    makes_it = launch.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    while address not in _STORES:
        try:
            _STORES[address] = TCPStore(
                host,
                port,
                is_master=makes_it,
                wait_for_workers=False,
                timeout=timedelta(seconds=TRY),
                multi_tenant=True,
            )
        except (ValueError, RuntimeError, OSError) as error:
            if makes_it or time.monotonic() > deadline:
                first = "" if makes_it else f" in {_waited()}; process 0 must listen there"
                raise UsageError(
                    f"process {launch.rank} of {launch.size} cannot join the others at {printable(address, 300)}"
                    f"{first}: {printable(str(error).splitlines()[0], 300)}. Start all of them with torchrun"
                ) from None
    return _STORES[address]


def _wait_for_all(store: Any, launch: Launch, deadline: float) -> None:
    try:
        _look(deadline, lambda: store.check(_marks("here", launch.size)))
        missing = [rank for rank, mark in enumerate(_marks("here", launch.size)) if not store.check([mark])]
    except RuntimeError:
        raise UsageError(
            f"process {launch.rank} of {launch.size}: the first process ended while the others were waited for; its "
            "message says why"
        ) from None
    if missing:
        raise UsageError(
            f"process {launch.rank} of {launch.size} waited {_waited()} for {processes_in_words(missing)}, which did "
            f"not come: start all {launch.size} with torchrun, or each with its own RANK and the same MASTER_ADDR and "
            f"MASTER_PORT. A longer wait: {JOIN_MINUTES}=60"
        )


def _marks(name: str, size: int) -> list[str]:
    return [f"{name}-{rank}" for rank in range(size)]


def _look(deadline: float, done: Callable[[], bool]) -> None:
    while not done() and time.monotonic() < deadline:
        time.sleep(LOOK)


def _waited() -> str:
    """
    >>> _waited()
    '10 minutes'
    """
    return f"{minutes_to_join():g} minutes"
