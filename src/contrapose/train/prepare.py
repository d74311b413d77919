"""From settings to everything a loop needs, checking the cheap things first: options, then files, then the model."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from contrapose.contract import RunOutline, TrainingProtocol
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.views import require_dropout, view_cosine
from contrapose.errors import UsageError
from contrapose.listening import Listener
from contrapose.objectives.catalogue import recipe
from contrapose.objectives.configured import ConfiguredMethod
from contrapose.objectives.objective import Objective
from contrapose.selection.cost_of_looks import evaluations_of_run
from contrapose.selection.criterion import choose_criterion
from contrapose.train.batches import Batches
from contrapose.train.beginning import (
    Begun,
    agree,
    begin,
    num_steps_of,
    read_corpus,
    session_of,
    with_precision,
    write_or_restore,
)
from contrapose.train.chunk_size import chunks_of_run
from contrapose.train.labels import check_label_column, read_labels
from contrapose.train.looks import evaluate_pretrained, facts_of_looks
from contrapose.train.modules import module_tree, trainable
from contrapose.train.needs_in_place import check_in_place
from contrapose.train.preflight import Cleared
from contrapose.train.prepared_texts import Preparation, attach_prepared, take_prepared
from contrapose.train.refreshed_texts import RefreshedTexts
from contrapose.train.resume import check_method_file, looked_at_before
from contrapose.train.session import Looks, Model, Session, Texts
from contrapose.train.settings import RunSettings, run_folder
from contrapose.train.steps_together import after_whole_ones, check_steps_together
from contrapose.train.supplies import Beside, check_tiled, check_views, load_beside, supply

#: Texts that the cosine between two views is measured on before the first step.
MEASURED_TEXTS = 64
#: Two views this close are one view: their difference is rounding.
IDENTICAL_VIEWS = 0.99999


def prepare(
    settings: RunSettings,
    cleared: Cleared,
    *,
    began: float,
    resume: bool,
    listener: Listener,
    stack: ExitStack,
) -> Session:
    """Check everything, build the corpus, load the encoder, and go back to the newest checkpoint where resuming.

    cleared: what :func:`contrapose.train.preflight.preflight` found; began: when the call for the run came. What must
    be released at the end (the run's lock, the process group) is pushed on ``stack``.
    """
    method = settings.method
    made = recipe(method.name, method.parts, method.hyperparameters, views=settings.data.views)
    if resume:
        check_method_file(run_folder(settings), made.file_sha256)
    check_label_column(settings, made.needs)
    settings = _without_blend(_with_all_hyperparameters(settings, made), made)
    begun = begin(settings, cleared, began=began, resume=resume, listener=listener, stack=stack)
    with listener.task(f"loading {settings.encoder.model}"):
        encoder = load_encoder(settings, made).to(begun.device)
        begun = with_precision(begun, settings, encoder)
        objective = made.build(width=encoder.width)
        beside = load_beside(objective.needs, _in_precision(settings, begun), encoder)
    protocol = made.protocol()
    check_in_place(settings, cleared, made, objective, protocol)
    corpus, rows, held_out = read_corpus(begun, settings, cleared)
    agree(begun, corpus, encoder, made, beside.fingerprints)
    num_steps = num_steps_of(settings, len(rows))
    protocol.run = _outline(encoder, corpus, num_steps, settings.training.batch_size)
    protocol.check_rows(len(rows))
    check_steps_together(protocol, settings, num_steps)
    preparation = Preparation(
        folder=begun.folder,
        corpus=corpus,
        rows_N=rows,
        encoder=encoder,
        precision=begun.precision,
        method=made,
        processes=begun.processes,
        listener=listener,
    )
    texts = _texts(preparation, settings, held_out)
    measured = _measured_views(encoder, texts.batches, settings)
    first = texts.batches.at(0)
    names = first.view_names
    check_views(objective.needs, names, tuple(first.targets))
    check_tiled(objective, settings.training.tiled, has_labels=texts.labels is not None)
    made.refuse_ignored(names)
    model = _model(preparation, settings, objective, protocol, beside, texts)
    chunks = chunks_of_run(begun, settings, model, first)
    looks = _looks(begun, settings, model, texts, num_steps)
    facts = {
        "temperature": getattr(made.hyperparameters, "temperature", None),
        "companions": [companion.about for companion in objective.needs.companions],
        "of_views": [line for part in texts.batches.text_parts for line in part.facts()],
        **measured,
        **facts_of_looks(looks.criterion, looks.plan, num_steps),
    }
    session = session_of(
        begun,
        settings,
        made,
        texts=texts,
        model=model,
        looks=looks,
        num_steps=num_steps,
        facts=facts,
        chunks=chunks,
    )
    write_or_restore(session, beside.fingerprints, begun, resume=resume)
    session.timings.prepared(session.progress.step, looking=looks.seconds)
    return session


def _texts(preparation: Preparation, settings: RunSettings, held_out: np.ndarray) -> Texts:
    """The batches, of text parts that have what they ask for of the whole corpus."""
    corpus, rows, made = preparation.corpus, preparation.rows_N, preparation.method
    training, token_ids = settings.training, preparation.encoder.token_ids
    labels = read_labels(corpus) if made.needs.labels else None
    text_parts = made.text_parts(corpus.columns, max_words=training.max_length, token_ids=token_ids)
    prepared = attach_prepared(text_parts, preparation)
    refreshes = any(part.refresh_every is not None for part in text_parts)
    return Texts(
        corpus=corpus,
        held_out=held_out,
        batches=Batches(
            corpus,
            rows,
            batch_size=training.batch_size,
            text_parts=text_parts,
            seed=training.seed,
            mask_repeats=training.mask_repeats,
        ),
        views=",".join(part.name for part in text_parts),
        labels=labels,
        refreshed=RefreshedTexts(text_parts, prepared, corpus, rows) if refreshes else None,
    )


def _model(
    preparation: Preparation,
    settings: RunSettings,
    objective: Objective,
    protocol: TrainingProtocol,
    beside: Beside,
    texts: Texts,
) -> Model:
    """What is trained, with all that its parts and its protocol need."""
    encoder, corpus, rows = preparation.encoder, preparation.corpus, preparation.rows_N
    seed, num_classes = settings.training.seed, None if texts.labels is None else len(texts.labels.names)
    companions = supply(objective, beside, encoder, corpus, rows, seed, num_classes)
    take_prepared(protocol, preparation, seed=seed)
    others: dict[str, nn.Module] = {"companions": companions} if companions else {}
    if texts.refreshed is not None:
        others["texts"] = texts.refreshed
    modules = module_tree(encoder, objective, protocol=protocol, **others).to(encoder.device)
    protocol.attach(trainable(modules), torch.from_numpy(rows), seed=seed)
    protocol.to(encoder.device)
    return Model(
        encoder=encoder, objective=objective, protocol=protocol, modules=modules, companions=companions
    )


def _looks(begun: Begun, settings: RunSettings, model: Model, texts: Texts, num_steps: int) -> Looks:
    """What chooses the checkpoint and how often that is asked; it has looked at the pretrained model."""
    criterion = choose_criterion(settings.selection, texts.corpus, texts.held_out, begun.listener)
    plan = evaluations_of_run(
        settings.selection,
        criterion,
        model.encoder,
        (text for view in texts.batches.at(0).texts.values() for text in view),
        max_length=settings.training.max_length,
        num_steps=num_steps,
    )
    plan = after_whole_ones(plan, model.protocol)
    if begun.goes_on and (before := looked_at_before(begun.folder)) is not None:
        # A longer run may afford more rows, but scores of other rows are not those of the steps that were done.
        plan = replace(plan, rows=min(plan.rows, before))
    seconds = evaluate_pretrained(criterion, plan, model.encoder, begun.precision, begun.listener)
    return Looks(monitor=criterion, criterion=criterion, plan=plan, seconds=seconds)


def _with_all_hyperparameters(settings: RunSettings, made: ConfiguredMethod) -> RunSettings:
    """The settings with every hyperparameter of the method in them, its defaults too: that is what the run records."""
    method = settings.method.model_copy(update={"hyperparameters": made.hyperparameters.model_dump()})
    return settings.model_copy(update={"method": method})


def _in_precision(settings: RunSettings, begun: Begun) -> RunSettings:
    """The settings with the precision that "auto" means here: networks beside the encoder compute in it too."""
    training = settings.training.model_copy(update={"precision": begun.precision})
    return settings.model_copy(update={"training": training})


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
