"""Runs of several real processes, each started by hand as torchrun would, to be killed, misled and continued."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.train.processes import LOADED
from tests.train.runs import Place, Witness, run_tiny
from tests.waiting import PATIENCE


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _work(place: Place, out: Path, environment: dict[str, str], told: Path, options: dict[str, Any]) -> None:
    import torch

    from contrapose.cli.failures import explain

    os.environ |= environment
    torch.set_num_threads(1)
    witness = Witness()
    code = 0
    try:
        if where := options.pop("stand_still", ""):
            _stand_still(where, told)
        if names := options.pop("stand_in", ()):
            _stand_in(*names)
        run_tiny(place, out, listener=witness, **options)
    except BaseException as error:
        message, code = explain(error)
        told.write_text(message)
    told.with_suffix(".notices").write_text(json.dumps(witness.notices))
    sys.stdout.flush()
    os._exit(code)


def _stand_still(where: str, told: Path) -> None:
    """From the moment that the function ``module:name`` is called on, this process does nothing more."""
    import importlib
    import time

    module, name = where.split(":")

    def stop(*_: Any, **__: Any) -> None:
        told.with_suffix(".stands").touch()
        time.sleep(PATIENCE)

    setattr(importlib.import_module(module), name, stop)


def _stand_in(name: str, folder: str) -> None:
    """In this process, another model lies behind this name."""
    from contrapose.encoder.encoder import Encoder

    load = Encoder.load

    def loaded(model: Any, *args: Any, **options: Any) -> Encoder:
        return load(folder if str(model) == name else model, *args, **options)

    Encoder.load = loaded  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class Ranks:
    """The processes of one run. told: where each leaves its error."""

    processes: tuple[BaseProcess, ...]
    told: tuple[Path, ...]

    def join(self) -> list[int | None]:
        """The exit codes, once all have ended."""
        for process in self.processes:
            process.join(PATIENCE)
        return [process.exitcode for process in self.processes]

    def error(self, rank: int) -> str:
        return self.told[rank].read_text() if self.told[rank].exists() else ""

    def notices(self, rank: int = 0) -> list[str]:
        found: list[str] = json.loads(self.told[rank].with_suffix(".notices").read_text())
        return found

    def stands(self, rank: int) -> bool:
        return self.told[rank].with_suffix(".stands").exists()


def start_ranks(
    place: Place,
    out: Path,
    size: int,
    *,
    each: Sequence[dict[str, Any]] = (),
    missing: Sequence[int] = (),
    environment: dict[str, str] | None = None,
    **options: Any,
) -> Ranks:
    """Train into ``out`` with ``size`` processes. each: further options of single ones; missing: that never come."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    port, begun, told = free_port(), [], []
    for rank in range(size):
        own = {**options, **(each[rank] if rank < len(each) else {})}
        variables = {
            "WORLD_SIZE": str(size), "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            **(environment or {}),
        }  # fmt: skip
        path = out.parent / f"{out.name}-told-{size}-{rank}-{port}.txt"
        told.append(path)
        begun.append(
            context.Process(
                target=_work, args=(place, out, variables if size > 1 else {}, path, own), daemon=True
            )
        )
        if rank not in missing:
            begun[-1].start()
    return Ranks(tuple(process for rank, process in enumerate(begun) if rank not in missing), tuple(told))
