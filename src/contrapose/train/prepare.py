"""From settings to everything a loop needs, checking the cheap things first: options, then files, then the model."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from contrapose.data.corpus import Corpus, build_corpus
from contrapose.data.sources import find_sources
from contrapose.durable import write_json, write_text
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout, view_cosine
from contrapose.errors import UsageError
from contrapose.objectives.catalogue import Recipe, recipe
from contrapose.seeds import derive
from contrapose.syscalls import reporting
from contrapose.train.batches import Batches, choose_views
from contrapose.train.budget import LookPlan
from contrapose.train.chunks import CPU_GROUPS, GPU_GROUPS
from contrapose.train.claim import claim
from contrapose.train.distributed import World
from contrapose.train.environment import describe_environment, pick_device, pick_precision
from contrapose.train.looks import looks_of_run
from contrapose.train.optimizer import make_optimizer, trainable
from contrapose.train.progress import Progress
from contrapose.train.resume import check_resumable, write_record
from contrapose.train.select import Criterion, choose_criterion
from contrapose.train.session import Session, go_back
from contrapose.train.settings import RunSettings, run_folder, steps_of
from contrapose.train.step import StepPlan
from contrapose.train.track import Listener, MetricsLog

#: Texts that the cosine between two views is measured on at the start.
MEASURED_TEXTS = 64
#: Two views this close are one view: their difference is rounding.
IDENTICAL_VIEWS = 0.99999


def prepare(settings: RunSettings, *, resume: bool, listener: Listener, stack: ExitStack) -> Session:
    """Check everything, build the corpus, load the encoder, and go back to the newest checkpoint where resuming.

    What must be released at the end (the run's lock, the process group) is pushed on ``stack``.
    """
    began = time.perf_counter()
    made = recipe(settings.method.name, settings.method.parts, settings.method.hyperparameters)
    settings = _with_all_numbers(settings, made)
    if "-" not in settings.data.corpus:
        find_sources(settings.data.corpus)
    world = World.join()
    stack.callback(world.leave)
    world.rows(settings.training.batch_size)
    folder = run_folder(settings)
    if world.is_first:
        claim(folder, resume=resume, stack=stack)
    world.wait()
    device = pick_device(settings.training.device, world)
    bf16 = pick_precision(settings.training.precision, device)
    listener.preparing(f"loading {settings.encoder.model}")
    encoder = load_encoder(settings).to(device)
    corpus = _corpus(settings, folder, world, resume, listener)
    views = choose_views(settings.data.views, corpus.columns)
    held_out_rows = min(settings.data.held_out_rows, len(corpus) // 10)
    rows, held_out = corpus.split_held_out(held_out_rows, derive(settings.training.seed, "held-out") >> 1)
    batches = Batches(
        corpus,
        rows,
        batch_size=settings.training.batch_size,
        views=views,
        seed=settings.training.seed,
        max_words=settings.training.max_length,
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
        "account": corpus.account.lines(),
        "temperature": getattr(made.hyperparameters, "temperature", None),
        **_measured_views(encoder, batches, views, settings),
    }
    objective = made.build(width=encoder.width).to(device)
    criterion = choose_criterion(settings.selection, corpus, held_out, listener)
    looks = looks_of_run(settings, criterion, encoder, batches, num_steps)
    looking = 0.0
    if criterion is not None:
        criterion.keep(looks.rows)
        listener.preparing("looking at the start")
        with encoder.in_mode(training=False):
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
        optimizer=make_optimizer(trainable(encoder), settings.training),
        criterion=criterion,
        plan=StepPlan(
            seed=settings.training.seed,
            max_length=settings.training.max_length,
            num_groups=groups,
            chunk_size=settings.training.chunk_size,
            bf16=bf16,
            world=world,
        ),
        num_steps=num_steps,
        looks=looks,
        listener=listener,
        metrics=MetricsLog(folder, tensorboard=settings.saving.tensorboard and world.is_first),
        world=world,
        progress=Progress(),
        facts=facts,
    )
    if world.is_first:
        _write_down(session, resume)
    if resume:
        go_back(session)
    session.tell_preparation(began, looking)
    return session


def _facts_of_looks(criterion: Criterion | None, looks: LookPlan, num_steps: int) -> dict[str, Any]:
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


def _with_all_numbers(settings: RunSettings, made: Recipe) -> RunSettings:
    """The settings with every hyperparameter of the method in them, its defaults too: that is what the run records."""
    method = settings.method.model_copy(update={"hyperparameters": made.hyperparameters.model_dump()})
    return settings.model_copy(update={"method": method})


def load_encoder(settings: RunSettings) -> Encoder:
    """The encoder that the run begins with."""
    chosen = settings.encoder
    return Encoder.load(
        chosen.model,
        pooling=chosen.pooling,
        head=chosen.head,
        dropout=chosen.dropout,
        revision=chosen.revision,
        head_seed=settings.training.seed,
    )


def _corpus(settings: RunSettings, folder: Path, world: World, resume: bool, listener: Listener) -> Corpus:
    """Built once by the first process; the others open what it built."""
    place = folder / "cache" / "corpus"
    if world.is_first:
        listener.preparing("reading the corpus")
        data = settings.data
        if resume and (place / "corpus.json").exists():
            # The record of the run says which data it was begun with; check_resumable compares.
            Corpus.open(place, verify=True)
        else:
            with reporting(place.parent):
                place.parent.mkdir(exist_ok=True)
            build_corpus(
                data.corpus,
                place,
                columns=data.columns,
                min_words=data.min_words,
                max_characters=data.max_characters,
                deduplicate=data.deduplicate,
                max_bad_share=data.max_bad_share,
                progress=listener.reading,
            )
    world.wait()
    return Corpus.open(place)


def _measured_views(
    encoder: Encoder, batches: Batches, views: str, settings: RunSettings
) -> dict[str, float]:
    """The cosine between two dropout views, and a refusal where they are one."""
    if views != "dropout":
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


def _write_down(session: Session, resume: bool) -> None:
    """config.toml, env.json and the record that a continuation is compared with."""
    from contrapose.config import to_toml

    environment = describe_environment(session.encoder.device, session.world.size)
    if resume and (session.folder / "run.json").exists():
        check_resumable(
            session.folder,
            session.settings,
            session.corpus,
            session.encoder,
            environment,
            session.listener.notice,
        )
        return
    write_text(session.folder / "config.toml", to_toml(session.settings))
    write_json(session.folder / "env.json", environment)
    write_record(session.folder, session.settings, session.corpus, session.encoder)
