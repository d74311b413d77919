"""How every run begins, whatever it trains: processes, the folder, the device, the corpus; and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from contrapose.data.corpus import Corpus
from contrapose.errors import UsageError
from contrapose.listening import Listener
from contrapose.seeds import derive
from contrapose.train.claim import claim
from contrapose.train.corpus_copy import build, corpus_copy_of, make_good
from contrapose.train.distributed import ProcessGroup
from contrapose.train.environment import pick_device, pick_precision
from contrapose.train.launch import launched
from contrapose.train.preflight import Cleared, has_record
from contrapose.train.records import lengthen, write_down
from contrapose.train.resume import check_precision, check_settings
from contrapose.train.session import Session, restore_latest_checkpoint
from contrapose.train.settings import RunSettings, run_folder, steps_of


@dataclass(frozen=True, kw_only=True)
class Begun:
    """folder: the run's, which is ours; goes_on: it was begun earlier; device, bf16: where and how it computes."""

    folder: Path
    processes: ProcessGroup
    goes_on: bool
    device: torch.device
    bf16: bool


def begin(
    settings: RunSettings, cleared: Cleared, *, resume: bool, listener: Listener, stack: ExitStack
) -> Begun:
    """Choose the device, join the others, claim the folder, compare the settings with the start's where a run goes on.

    What must be released at the end (the run's lock, the process group) is pushed on ``stack``.
    """
    folder = run_folder(settings)
    device = pick_device(settings.training.device, launched().local_rank)
    processes = _join(device, listener)
    stack.callback(processes.leave)
    processes.rows(settings.training.batch_size)
    if processes.is_first:
        claim(folder, resume=resume, stack=stack)
    processes.wait()
    goes_on = resume and has_record(folder)
    bf16 = pick_precision(settings.training.precision, device)
    if goes_on:
        check_settings(folder, settings, complete=True)
        check_precision(folder, "bf16" if bf16 else "fp32")
    if goes_on and processes.is_first:
        make_good(folder, settings, cleared, listener)
    return Begun(folder=folder, processes=processes, goes_on=goes_on, device=device, bf16=bf16)


def read_corpus(
    begun: Begun, settings: RunSettings, cleared: Cleared, listener: Listener
) -> tuple[Corpus, np.ndarray, np.ndarray]:
    """The run's own copy of its corpus, the rows to train on, and those that are held out, a tenth at most."""
    if not begun.goes_on and begun.processes.is_first:
        build(begun.folder, settings, cleared, listener)
    begun.processes.wait()
    corpus = Corpus.open(corpus_copy_of(begun.folder))
    held_out_rows = min(settings.data.held_out_rows, len(corpus) // 10)
    rows, held_out = corpus.split_held_out(held_out_rows, derive(settings.training.seed, "held-out") >> 1)
    return corpus, rows, held_out


def num_steps_of(settings: RunSettings, num_rows: int) -> int:
    """How many steps the run has. Raises UsageError where its warm-up would not end in them."""
    num_steps = steps_of(settings, num_rows)
    if settings.training.warmup_steps >= num_steps:
        raise UsageError(
            f"warmup_steps ({settings.training.warmup_steps}) must be below the {num_steps} steps of the run: give "
            f"--warmup-steps {num_steps // 2}, more text, or more --steps"
        )
    return num_steps


def write_or_restore(session: Session, beside: Mapping[str, str], begun: Begun, *, resume: bool) -> None:
    """Write down what a continuation is compared with; or compare, and go back to the newest checkpoint."""
    first = begun.processes.is_first
    if first:
        write_down(session, beside, goes_on=begun.goes_on)
    if resume:
        restore_latest_checkpoint(session)
    if begun.goes_on and first:
        lengthen(session)


def _join(device: torch.device, listener: Listener) -> ProcessGroup:
    others = launched().size - 1
    if not others:
        return ProcessGroup.join(device.type)
    with listener.task(f"waiting for the other {others} processes"):
        return ProcessGroup.join(device.type)
