"""From settings to everything a loop needs, checking the cheap things first: options, then files, then the model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from contrapose.config import to_toml
from contrapose.contract import Supplies
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout, view_cosine
from contrapose.errors import ResumeRefused, UsageError
from contrapose.listening import Listener
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.seeds import derive
from contrapose.selection.budget import EvaluationPlan
from contrapose.selection.criterion import Criterion, choose_criterion
from contrapose.selection.held_out import evaluations_of_run
from contrapose.storage.durable import write_json, write_text
from contrapose.train.batches import Batches
from contrapose.train.chunks import CPU_GROUPS, GPU_GROUPS
from contrapose.train.claim import claim
from contrapose.train.corpus_copy import build, corpus_copy_of, make_good
from contrapose.train.distributed import ProcessGroup
from contrapose.train.environment import describe_environment, pick_device, pick_precision
from contrapose.train.launch import launched
from contrapose.train.modules import module_tree, trainable
from contrapose.train.optimizer import learning_rate, make_optimizer
from contrapose.train.preflight import Cleared, has_record
from contrapose.train.progress import Progress
from contrapose.train.protocols import protocol_named
from contrapose.train.resume import (
    check_begun_with,
    check_method_file,
    check_settings,
    looked_at_before,
    steps_before,
    write_longer,
    write_record,
)
from contrapose.train.session import Session, restore_latest_checkpoint
from contrapose.train.settings import RunSettings, run_folder, steps_of
from contrapose.train.step import StepPlan
from contrapose.train.supplies import companions_of, load_beside
from contrapose.train.track import MetricsLog

#: Texts that the cosine between two views is measured on at the start.
MEASURED_TEXTS = 64
#: Two views this close are one view: their difference is rounding.
IDENTICAL_VIEWS = 0.99999


def prepare(
    settings: RunSettings, cleared: Cleared, *, resume: bool, listener: Listener, stack: ExitStack
) -> Session:
    """Check everything, build the corpus, load the encoder, and go back to the newest checkpoint where resuming.

    cleared: what :func:`contrapose.train.preflight.preflight` found. What must be released at the end (the run's lock,
    the process group) is pushed on ``stack``.
    """
    began = time.perf_counter()
    method = settings.method
    made = recipe(method.name, method.parts, method.hyperparameters, views=settings.data.views)
    if resume:
        check_method_file(run_folder(settings), made.file_sha256)
    settings = _with_all_numbers(settings, made)
    folder = run_folder(settings)
    processes = _join(listener)
    stack.callback(processes.leave)
    processes.rows(settings.training.batch_size)
    if processes.is_first:
        claim(folder, resume=resume, stack=stack)
    processes.wait()
    goes_on = resume and has_record(folder)
    if goes_on:
        check_settings(folder, settings, complete=True)
    device = pick_device(settings.training.device, processes)
    bf16 = pick_precision(settings.training.precision, device)
    if goes_on and processes.is_first:
        make_good(folder, settings, cleared, listener)
    with listener.task(f"loading {settings.encoder.model}"):
        encoder = load_encoder(settings, made).to(device)
        objective = made.build(width=encoder.width)
        needs = objective.needs
        beside = load_beside(needs, settings, encoder)
    if not goes_on and processes.is_first:
        build(folder, settings, cleared, listener)
    processes.wait()
    corpus = Corpus.open(corpus_copy_of(folder))
    text_parts = made.text_parts(corpus.columns, max_words=settings.training.max_length)
    views = ",".join(part.name for part in text_parts)
    held_out_rows = min(settings.data.held_out_rows, len(corpus) // 10)
    rows, held_out = corpus.split_held_out(held_out_rows, derive(settings.training.seed, "held-out") >> 1)
    batches = Batches(
        corpus,
        rows,
        batch_size=settings.training.batch_size,
        text_parts=text_parts,
        seed=settings.training.seed,
        mask_repeats=settings.training.mask_repeats,
    )
    num_steps = steps_of(settings, len(rows))
    if settings.training.warmup_steps >= num_steps:
        raise UsageError(
            f"warmup_steps ({settings.training.warmup_steps}) must be below the {num_steps} steps of the run"
        )
    facts = {
        "rows": len(rows),
        "held_out": len(held_out),
        "views": views,
        "device": str(device),
        "precision": "bf16" if bf16 else "fp32",
        "account": corpus.statistics.lines(),
        "temperature": getattr(made.hyperparameters, "temperature", None),
        **_measured_views(encoder, batches, settings),
    }
    companions = companions_of(needs, beside, corpus)
    objective.attach(
        Supplies(
            width=encoder.width,
            pooled_width=encoder.width,
            companion_widths=companions.widths if companions else {},
            networks=beside.networks,
            num_rows=len(corpus),
            seed=settings.training.seed,
        )
    )
    protocol = protocol_named(made.method.protocol)
    others = {"companions": companions} if companions else {}
    modules = module_tree(encoder, objective, protocol=protocol, **others).to(device)
    criterion = choose_criterion(settings.selection, corpus, held_out, listener)
    looks = evaluations_of_run(
        settings.selection,
        criterion,
        encoder,
        (text for view in batches.at(0).texts.values() for text in view),
        max_length=settings.training.max_length,
        num_steps=num_steps,
    )
    if goes_on and (before := looked_at_before(folder)) is not None:
        # A longer run may afford more rows, but scores of other rows are not those of the steps that were done.
        looks = replace(looks, rows=min(looks.rows, before))
    looking = 0.0
    if criterion is not None:
        criterion.keep(looks.rows)
        with listener.task("evaluating the pretrained model"), encoder.in_mode(training=False):
            looking = -time.perf_counter()
            criterion.begin(encoder, "bf16" if bf16 else "fp32")
            looking += time.perf_counter()
    facts |= _facts_of_looks(criterion, looks, num_steps)
    groups = settings.training.length_groups or (CPU_GROUPS if device.type == "cpu" else GPU_GROUPS)
    session = Session(
        settings=settings,
        recipe=made,
        folder=folder,
        corpus=corpus,
        batches=batches,
        views=views,
        encoder=encoder,
        objective=objective,
        protocol=protocol,
        modules=modules,
        optimizer=make_optimizer(trainable(modules), settings.training),
        criterion=criterion,
        plan=StepPlan(
            seed=settings.training.seed,
            max_length=settings.training.max_length,
            num_groups=groups,
            chunk_size=settings.training.chunk_size,
            bf16=bf16,
            processes=processes,
            needs=needs,
            companions=companions,
            num_steps=num_steps,
        ),
        num_steps=num_steps,
        looks=looks,
        listener=listener,
        metrics=MetricsLog(folder, tensorboard=settings.saving.tensorboard and processes.is_first),
        processes=processes,
        progress=Progress(),
        facts=facts,
    )
    if processes.is_first:
        _write_down(session, beside.fingerprints, goes_on=goes_on)
    if resume:
        restore_latest_checkpoint(session)
    if goes_on and processes.is_first:
        _lengthen(session)
    session.tell_preparation(began, looking)
    return session


def _join(listener: Listener) -> ProcessGroup:
    others = launched().size - 1
    if not others:
        return ProcessGroup.join()
    with listener.task(f"waiting for the other {others} processes"):
        return ProcessGroup.join()


def _facts_of_looks(criterion: Criterion | None, looks: EvaluationPlan, num_steps: int) -> dict[str, Any]:
    """What chooses the checkpoint, on how much text, and how often that is looked at."""
    if criterion is None:
        return {"criterion": "the last step", "eval_every": num_steps, "evaluations": 0, "closing_looks": 0}
    return {
        "criterion": criterion.about,
        "eval_every": looks.eval_every,
        "evaluations": looks.num_evaluations(num_steps),
        "closing_looks": looks.between,
        "look_in_steps": looks.in_steps,
    }


def _with_all_numbers(settings: RunSettings, made: ConfiguredMethod) -> RunSettings:
    """The settings with every hyperparameter of the method in them, its defaults too: that is what the run records."""
    method = settings.method.model_copy(update={"hyperparameters": made.hyperparameters.model_dump()})
    return settings.model_copy(update={"method": method})


def load_encoder(settings: RunSettings, made: ConfiguredMethod) -> Encoder:
    """The encoder that the run begins with, with the head that was asked for, or the method's."""
    chosen = settings.encoder
    return Encoder.load(
        chosen.model,
        pooling=chosen.pooling,
        head=chosen.head or made.method.head,
        dropout=chosen.dropout,
        revision=chosen.revision,
        head_seed=settings.training.seed,
    )


def _measured_views(encoder: Encoder, batches: Batches, settings: RunSettings) -> dict[str, float]:
    """The cosine between two dropout views, and a refusal where they are one."""
    if not any(part.needs_dropout for part in batches.text_parts):
        return {}
    require_dropout(encoder)
    texts = batches.at(0).texts["anchor"][:MEASURED_TEXTS]
    cosine = view_cosine(encoder, texts, settings.training.seed, settings.training.max_length)
    if not cosine < IDENTICAL_VIEWS:
        raise UsageError(
            f"the two dropout views of a text have a mean cosine of {cosine:.6f}: they are the same, so there is "
            "nothing to learn from. Give the encoder dropout with --dropout 0.1"
        )
    return {"view_cosine": cosine}


def _write_down(session: Session, beside: Mapping[str, str], *, goes_on: bool) -> None:
    """config.toml, env.json and the record that a continuation is compared with."""
    folder, settings = session.folder, session.settings
    environment = describe_environment(session.encoder.device, session.processes.size)
    if goes_on:
        notice = session.listener.notice
        check_begun_with(folder, settings, session.corpus, session.encoder, beside, environment, notice)
        return
    write_text(folder / "config.toml", to_toml(settings))
    write_json(folder / "env.json", environment)
    rows, steps = session.facts["rows"], session.num_steps
    method_file = session.recipe.file_sha256
    write_record(
        folder,
        settings,
        session.corpus,
        session.encoder,
        rows=rows,
        steps=steps,
        looked_at=session.looks.rows,
        method_file=method_file,
        beside=beside,
    )


def _lengthen(session: Session) -> None:
    """Where the run is given more steps than it had: say what that means, and write it down."""
    before, now, done = steps_before(session.folder), session.num_steps, session.progress.step
    if before is None or now <= before:
        return
    if session.progress.stopped_early:
        raise ResumeRefused(
            f"the run stopped early after step {done}, because its score rose no more, so more steps change nothing. "
            f"To train on from it, start a new run with --model {session.folder / 'model'} and another --out"
        )
    training = session.settings.training
    session.listener.notice(
        f"the run goes on after step {done} to step {now}; it was to have {before}. The learning rate is from here on "
        f"that of a run of {now} steps: {learning_rate(done, now, training):.3g} at the next step. The steps before "
        f"had the rates of a run of {before}, so this is not the run that --steps {now} from the start would have been"
    )
    # The configuration first: a kill in between leaves a longer one, which lengthens the run again.
    write_text(session.folder / "config.toml", to_toml(session.settings))
    write_longer(session.folder, session.settings, after=done, steps=now)
