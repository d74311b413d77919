"""Runs in real processes, to be killed and signalled. A fork server has torch loaded, so each starts at once."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.train.runs import Place, run_tiny, step_rows
from tests.waiting import wait_until

LOADED = [
    "contrapose.train.loop",
    "contrapose.train.prepare",
    "contrapose.train.finish",
    "transformers.models.bert.modeling_bert",
    "tests.train.runs",
]


def _work(place: Place, out: Path, resume: bool, options: dict[str, Any]) -> None:
    import torch

    from contrapose.errors import ContraposeError

    torch.set_num_threads(1)
    try:
        run_tiny(place, out, resume=resume, **options)
    except ContraposeError as error:
        (out.parent / f"{out.name}.error").write_text(f"{type(error).__name__}: {error}")
        sys.exit(error.exit_code)


def start(place: Place, out: Path, *, resume: bool = False, **options: Any) -> BaseProcess:
    """A process of its own that trains into ``out``; its error, if any, is in ``OUT.error``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    process = context.Process(target=_work, args=(place, out, resume, options), daemon=True)
    process.start()
    return process


def steps_logged(out: Path) -> int:
    try:
        return max((row["step"] for row in step_rows(out)), default=0)
    except Exception:
        return 0


def wait_for_step(process: BaseProcess, out: Path, step: int) -> None:
    """Until ``step`` is in the log; fails if the process ends before."""
    wait_until(lambda: steps_logged(out) >= step, at_work=process.is_alive)


def error_of(out: Path) -> str:
    path = out.parent / f"{out.name}.error"
    return path.read_text() if path.exists() else ""
