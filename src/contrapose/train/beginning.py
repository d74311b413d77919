"""How every run begins, whatever it trains: processes, folder, device, corpus and session; and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contrapose.data.corpus import Corpus
from contrapose.encoder.by_length import groups_on
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ContraposeError, UsageError
from contrapose.listening import Listener
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.seeds import derive
from contrapose.train.agreement import about_of
from contrapose.train.chunk_size import Chunks
from contrapose.train.claim import claim
from contrapose.train.corpus_copy import build, corpus_copy_of, make_good
from contrapose.train.distributed import ProcessGroup
from contrapose.train.environment import pick_device
from contrapose.train.launch import launched
from contrapose.train.modules import trainable
from contrapose.train.optimizer import make_optimizer
from contrapose.train.precision import Choice, computes_in_bf16, faster_precision
from contrapose.train.preflight import Cleared, has_record
from contrapose.train.progress import Progress
from contrapose.train.records import lengthen, write_down
from contrapose.train.resume import check_settings, precision_before, write_processes
from contrapose.train.saving import restore_latest
from contrapose.train.session import ForwardBackward, Looks, Model, Session, Texts
from contrapose.train.settings import RunSettings, run_folder, steps_of
from contrapose.train.split_of_run import split_of_run
from contrapose.train.step import StepPlan, forward_backward
from contrapose.train.timings import Timings
from contrapose.train.track import MetricsLog


@dataclass(frozen=True, kw_only=True)
class Begun:
    """folder: the run's, which is ours; goes_on: it was begun earlier; device, chosen: where and how it computes.

    chosen: None until :func:`with_precision`, which needs the encoder
    """

    listener: Listener
    timings: Timings
    folder: Path
    processes: ProcessGroup
    goes_on: bool
    device: torch.device
    chosen: Choice | None = None

    @property
    def bf16(self) -> bool:
        assert self.chosen is not None, "the precision is chosen once the encoder is there"
        return self.chosen.bf16

    @property
    def precision(self) -> str:
        return "bf16" if self.bf16 else "fp32"


def begin(
    settings: RunSettings,
    cleared: Cleared,
    *,
    began: float,
    resume: bool,
    listener: Listener,
    stack: ExitStack,
) -> Begun:
    """Choose the device, join the others, claim the folder, compare the settings with the start's where a run goes on.

    began: when the call for the run came. What must be released at the end (the run's lock, the process group) is
    pushed on ``stack``.
    """
    folder = run_folder(settings)
    device = pick_device(settings.training.device, launched().local_rank)
    processes = _join(device, listener, about_of(settings, resume=resume))
    stack.callback(processes.leave)
    processes.rows(settings.training.batch_size)
    if processes.is_first:
        claim(folder, resume=resume, stack=stack)
    processes.wait()
    goes_on = resume and has_record(folder)
    if goes_on:
        check_settings(folder, settings, complete=True)
    if goes_on and processes.is_first:
        make_good(folder, settings, cleared, listener)
    return Begun(
        folder=folder,
        processes=processes,
        goes_on=goes_on,
        device=device,
        listener=listener,
        timings=Timings(folder, began=began, writes=processes.is_first),
    )


def with_precision(begun: Begun, settings: RunSettings, encoder: Encoder) -> Begun:
    """The precision of the run: what was asked for, else what it was begun in, else what is faster here."""
    asked = settings.training.precision
    if asked != "auto":
        return replace(begun, chosen=Choice(asked == "bf16"))
    before = precision_before(begun.folder) if begun.goes_on else None
    if before is not None:
        if before == "bf16" and not computes_in_bf16(begun.device):
            begun.listener.notice(
                "this run was begun in bf16 and goes on in it, but this machine has no instructions for bf16: it may "
                "be many times slower. In fp32 it would be another run, with another --out"
            )
        return replace(begun, chosen=Choice(before == "bf16", "as the run was begun"))
    chosen = faster_precision(encoder, training=True)
    of_first = bool(begun.processes.of_first(chosen.bf16, begun.device))
    return replace(begun, chosen=replace(chosen, bf16=of_first))


def read_corpus(
    begun: Begun, settings: RunSettings, cleared: Cleared
) -> tuple[Corpus, np.ndarray, np.ndarray]:
    """The corpus of the run, the rows to train on, and those that are held out, a tenth at most."""
    if not begun.goes_on and begun.processes.is_first:
        build(begun.folder, settings, cleared, begun.listener)
    begun.processes.wait()
    corpus = _opened(begun)
    held_out_rows = min(settings.data.held_out_rows, len(corpus) // 10)
    seed = derive(settings.training.seed, "held-out") >> 1
    with begun.listener.task("choosing the held-out rows"):
        rows, held_out = split_of_run(begun.folder, corpus, held_out_rows, seed, begun.processes)
    return corpus, rows, held_out


def _opened(begun: Begun) -> Corpus:
    processes, copy = begun.processes, corpus_copy_of(begun.folder)
    try:
        return Corpus.open(copy)
    except ContraposeError as error:
        if processes.is_first:
            raise
        raise type(error)(
            f"process {processes.rank} of {processes.size} cannot read the corpus that process 0 made in {copy}: "
            f"{error}. Give --out a folder that the machines of all processes share"
        ) from None


def agree(
    begun: Begun, corpus: Corpus, encoder: Encoder, made: ConfiguredMethod, beside: Mapping[str, str]
) -> None:
    """Raise UsageError, in every process, where they do not all have the same text, model, method and models beside."""
    if begun.processes.size == 1:
        return
    about = {
        "corpus": corpus.fingerprint,
        "model": encoder.fingerprint(),
        "file of the method": made.file_sha256 or "none",
        **{f"'{name}' beside the model": value for name, value in beside.items()},
    }
    begun.processes.agree(about, begun.device)


def num_steps_of(settings: RunSettings, num_rows: int) -> int:
    """How many steps the run has. Raises UsageError where its warm-up would not end in them."""
    num_steps = steps_of(settings, num_rows)
    if settings.training.warmup_steps >= num_steps:
        raise UsageError(
            f"warmup_steps ({settings.training.warmup_steps}) must be below the {num_steps} steps of the run: give "
            f"--warmup-steps {num_steps // 2}, more text, or more --steps"
        )
    return num_steps


def session_of(
    begun: Begun,
    settings: RunSettings,
    made: ConfiguredMethod,
    *,
    texts: Texts,
    model: Model,
    looks: Looks,
    num_steps: int,
    facts: Mapping[str, Any],
    chunks: Chunks = Chunks(size=None),
    forward_backward: ForwardBackward = forward_backward,
) -> Session:
    """The session of a run, before its first step. facts: what the listener is told beside what every run tells."""
    training, needs = settings.training, model.objective.needs
    return Session(
        settings=settings,
        recipe=made,
        folder=begun.folder,
        corpus=texts.corpus,
        batches=texts.batches,
        views=texts.views,
        encoder=model.encoder,
        objective=model.objective,
        protocol=model.protocol,
        modules=model.modules,
        optimizer=make_optimizer(trainable(model.modules), training),
        monitor=looks.monitor,
        criterion=looks.criterion,
        plan=StepPlan(
            seed=training.seed,
            max_length=training.max_length,
            num_groups=training.length_groups or groups_on(begun.device),
            chunk_size=chunks.size,
            kept_chunks=chunks.kept,
            tiled={"auto": None, "always": True, "never": False}[training.tiled],
            bf16=begun.bf16,
            processes=begun.processes,
            needs=needs,
            companions=model.companions,
            num_steps=num_steps,
            labels_N=None if texts.labels is None else texts.labels.class_N,
        ),
        precision=begun.precision,
        refreshed_texts=texts.refreshed,
        num_steps=num_steps,
        looks=looks.plan,
        listener=begun.listener,
        metrics=MetricsLog(
            begun.folder, tensorboard=settings.saving.tensorboard and begun.processes.is_first
        ),
        timings=begun.timings,
        processes=begun.processes,
        progress=Progress(),
        facts={
            "rows": len(texts.batches.rows),
            "held_out": len(texts.held_out),
            "views": texts.views,
            "device": str(begun.device),
            "precision": str(begun.chosen),
            "chunks": chunks.why,
            "processes": begun.processes.size,
            "account": texts.corpus.statistics.lines(),
            **facts,
        },
        forward_backward=forward_backward,
    )


def write_or_restore(session: Session, beside: Mapping[str, str], begun: Begun, *, resume: bool) -> None:
    """Write down what a continuation is compared with; or compare, and go back to the newest checkpoint."""
    first = begun.processes.is_first
    if first:
        write_down(session, beside, goes_on=begun.goes_on)
    if resume:
        restore_latest(session)
        if begun.processes.size > 1:  # each has read the checkpoint itself
            stands = {
                "step it goes on after": str(session.progress.step),
                "weights": session.encoder.fingerprint(),
            }
            begun.processes.agree(stands, begun.device)
    if begun.goes_on and first:
        step, count = session.progress.step, begun.processes.size
        write_processes(session.folder, after=step, count=count, notice=session.listener.notice)
        lengthen(session)


def _join(device: torch.device, listener: Listener, about: Mapping[str, str]) -> ProcessGroup:
    others = launched().size - 1
    if not others:
        return ProcessGroup.join(device.type)
    with listener.task(f"waiting for the other {others} processes"):
        return ProcessGroup.join(device.type, about)
