"""From settings to everything a loop needs, checking the cheap things first: options, then files, then the model."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace

import torch
from torch import nn

from contrapose.contract import RunOutline
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout, view_cosine
from contrapose.errors import UsageError
from contrapose.listening import Listener
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.selection.cost_of_looks import evaluations_of_run
from contrapose.selection.criterion import choose_criterion
from contrapose.train.batches import Batches
from contrapose.train.beginning import begin, num_steps_of, read_corpus, write_or_restore
from contrapose.train.chunks import CPU_GROUPS, GPU_GROUPS
from contrapose.train.labels import check_label_column, read_labels
from contrapose.train.looks import evaluate_pretrained, facts_of_looks
from contrapose.train.modules import module_tree, trainable
from contrapose.train.optimizer import make_optimizer
from contrapose.train.preflight import Cleared
from contrapose.train.prepared_texts import attach_prepared, take_prepared
from contrapose.train.progress import Progress
from contrapose.train.refreshed_texts import RefreshedTexts
from contrapose.train.resume import check_method_file, looked_at_before
from contrapose.train.session import Session
from contrapose.train.settings import RunSettings, run_folder
from contrapose.train.step import StepPlan
from contrapose.train.steps_together import after_whole_ones, check_steps_together
from contrapose.train.supplies import check_views, load_beside, supply
from contrapose.train.track import MetricsLog

#: Texts that the cosine between two views is measured on before the first step.
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
    check_label_column(settings, made.needs)
    settings = _without_blend(_with_all_hyperparameters(settings, made), made)
    begun = begin(settings, cleared, resume=resume, listener=listener, stack=stack)
    folder, processes, device, bf16 = begun.folder, begun.processes, begun.device, begun.bf16
    with listener.task(f"loading {settings.encoder.model}"):
        encoder = load_encoder(settings, made).to(device)
        objective = made.build(width=encoder.width)
        beside = load_beside(objective.needs, settings, encoder)
    corpus, rows, held_out = read_corpus(begun, settings, cleared, listener)
    num_steps = num_steps_of(settings, len(rows))
    protocol = made.protocol()
    protocol.run = _outline(encoder, corpus, num_steps, settings.training.batch_size)
    check_steps_together(protocol, settings, num_steps)
    labels = read_labels(corpus) if objective.needs.labels else None
    text_parts = made.text_parts(
        corpus.columns, max_words=settings.training.max_length, token_ids=encoder.token_ids
    )
    views = ",".join(part.name for part in text_parts)
    prepared = attach_prepared(
        text_parts,
        folder,
        corpus,
        rows,
        encoder=encoder,
        precision="bf16" if bf16 else "fp32",
        method=made,
        processes=processes,
        listener=listener,
    )
    batches = Batches(
        corpus,
        rows,
        batch_size=settings.training.batch_size,
        text_parts=text_parts,
        seed=settings.training.seed,
        mask_repeats=settings.training.mask_repeats,
    )
    facts = {
        "rows": len(rows),
        "held_out": len(held_out),
        "views": views,
        "device": str(device),
        "precision": "bf16" if bf16 else "fp32",
        "account": corpus.statistics.lines(),
        "temperature": getattr(made.hyperparameters, "temperature", None),
        "companions": [companion.about for companion in objective.needs.companions],
        "of_views": [line for part in text_parts for line in part.facts()],
        **_measured_views(encoder, batches, settings),
    }
    names = batches.at(0).view_names
    check_views(objective.needs, names)
    made.refuse_ignored(names)
    num_classes = None if labels is None else len(labels.names)
    companions = supply(objective, beside, encoder, corpus, rows, settings.training.seed, num_classes)
    take_prepared(
        protocol,
        folder,
        corpus,
        rows,
        encoder=encoder,
        precision="bf16" if bf16 else "fp32",
        method=made,
        seed=settings.training.seed,
        processes=processes,
        listener=listener,
    )
    others: dict[str, nn.Module] = {"companions": companions} if companions else {}
    refreshed_texts = None
    if any(part.refresh_every is not None for part in text_parts):
        refreshed_texts = others["texts"] = RefreshedTexts(text_parts, prepared, corpus, rows)
    modules = module_tree(encoder, objective, protocol=protocol, **others).to(device)
    protocol.attach(trainable(modules), torch.from_numpy(rows), seed=settings.training.seed)
    protocol.to(device)
    criterion = choose_criterion(settings.selection, corpus, held_out, listener)
    looks = evaluations_of_run(
        settings.selection,
        criterion,
        encoder,
        (text for view in batches.at(0).texts.values() for text in view),
        max_length=settings.training.max_length,
        num_steps=num_steps,
    )
    looks = after_whole_ones(looks, protocol)
    if begun.goes_on and (before := looked_at_before(folder)) is not None:
        # A longer run may afford more rows, but scores of other rows are not those of the steps that were done.
        looks = replace(looks, rows=min(looks.rows, before))
    looking = evaluate_pretrained(criterion, looks, encoder, listener, bf16=bf16)
    facts |= facts_of_looks(criterion, looks, num_steps)
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
        monitor=criterion,
        criterion=criterion,
        plan=StepPlan(
            seed=settings.training.seed,
            max_length=settings.training.max_length,
            num_groups=groups,
            chunk_size=settings.training.chunk_size,
            bf16=bf16,
            processes=processes,
            needs=objective.needs,
            companions=companions,
            num_steps=num_steps,
            labels_N=None if labels is None else labels.class_N,
        ),
        refreshed_texts=refreshed_texts,
        num_steps=num_steps,
        looks=looks,
        listener=listener,
        metrics=MetricsLog(folder, tensorboard=settings.saving.tensorboard and processes.is_first),
        processes=processes,
        progress=Progress(),
        facts=facts,
    )
    write_or_restore(session, beside.fingerprints, begun, resume=resume)
    session.tell_preparation(began, looking)
    return session


def _with_all_hyperparameters(settings: RunSettings, made: ConfiguredMethod) -> RunSettings:
    """The settings with every hyperparameter of the method in them, its defaults too: that is what the run records."""
    method = settings.method.model_copy(update={"hyperparameters": made.hyperparameters.model_dump()})
    return settings.model_copy(update={"method": method})


def _without_blend(settings: RunSettings, made: ConfiguredMethod) -> RunSettings:
    """The settings with blend 1 where the protocol forbids another. Raises UsageError where one was asked for."""
    why = made.protocol_class.forbids_blend
    if not why:
        return settings
    if settings.selection.blend not in (None, 1):
        raise UsageError(f"--blend {settings.selection.blend}: {why}; leave --blend out, or give --blend 1")
    selection = settings.selection.model_copy(update={"blend": 1.0})
    return settings.model_copy(update={"selection": selection})


def _outline(encoder: Encoder, corpus: Corpus, num_steps: int, batch_size: int) -> RunOutline:
    tables = {
        f"encoder.{name}.weight"
        for name, module in encoder.named_modules()
        if isinstance(module, torch.nn.Embedding)
    }
    return RunOutline(
        num_steps=num_steps,
        batch_size=batch_size,
        lookup_tables=frozenset(tables),
        corpus_starts=corpus.starts,
    )


def load_encoder(settings: RunSettings, made: ConfiguredMethod) -> Encoder:
    """The encoder that the run begins with, with the head that was asked for, or the method's."""
    chosen, template = settings.encoder, made.needs.template
    return Encoder.load(
        chosen.model,
        pooling=chosen.pooling,
        head=chosen.head or made.method.head,
        dropout=chosen.dropout,
        revision=chosen.revision,
        head_seed=settings.training.seed,
        templates=(template.anchor, template.others) if template else (),
    )


def _measured_views(encoder: Encoder, batches: Batches, settings: RunSettings) -> dict[str, float]:
    """The cosine between two dropout views, and a refusal where they are one."""
    if not any(part.needs_dropout for part in batches.text_parts):
        return {}
    require_dropout(encoder)
    texts = batches.at(0).texts["anchor"][:MEASURED_TEXTS]
    length = encoder.length_for(settings.training.max_length)
    cosine = view_cosine(encoder, texts, settings.training.seed, length)
    if not cosine < IDENTICAL_VIEWS:
        raise UsageError(
            f"the two dropout views of a text have a mean cosine of {cosine:.6f}: they are the same, so there is "
            "nothing to learn from. Give the encoder dropout with --dropout 0.1"
        )
    return {"view_cosine": cosine}
