"""From settings to everything the loop needs: a training run whose loss is one term, made of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch

from contrapose.contract import Supplies, TextPart, TrainingProtocol
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.encoder.scratch import new_encoder
from contrapose.listening import Listener
from contrapose.objectives.catalogue import recipe
from contrapose.pretrain.held_out import HeldOutWords
from contrapose.pretrain.settings import PretrainSettings, with_fitting_warmup
from contrapose.pretrain.step import PART, forward_backward
from contrapose.selection.budget import TRAINING_COST, EvaluationPlan
from contrapose.train.batches import Batches
from contrapose.train.beginning import (
    agree,
    begin,
    num_steps_of,
    read_corpus,
    session_of,
    with_precision,
    write_or_restore,
)
from contrapose.train.modules import module_tree
from contrapose.train.preflight import Cleared
from contrapose.train.session import Looks, Model, Session, Texts
from contrapose.train.settings import steps_of

#: Steps between two looks at held-out text, where a run is longer than that.
EVALUATION_INTERVAL = 1_000


class EveryColumn(TextPart):
    """Every column of text is read and hidden by itself: nothing is compared, so there need not be two."""

    name, idea = "every-column", "The columns of the data, as they are."
    fewest_columns, most_columns = 1, None

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        return dict(columns)


def prepare(
    settings: PretrainSettings,
    cleared: Cleared,
    *,
    began: float,
    resume: bool,
    listener: Listener,
    stack: ExitStack,
) -> Session:
    """Check everything, build the corpus, load or draw encoder and head, and go back to the newest checkpoint."""
    begun = begin(settings, cleared, began=began, resume=resume, listener=listener, stack=stack)
    training, masking, scratch = settings.training, settings.masking, settings.scratch.asked_for
    made = recipe(
        "simcse", [PART], {"mlm_weight": 1.0, "mlm_rate": masking.mask_rate, "language_head": "any"}
    )
    with listener.task("drawing a new encoder" if scratch else f"loading {settings.encoder.model}"):
        encoder = load_encoder(settings).to(begun.device)
        begun = with_precision(begun, settings, encoder)
        head = OwnLanguageModel.of(
            encoder,
            settings.encoder.model,
            head="new" if masking.new_head or scratch else "new-if-missing",
            revision=settings.encoder.revision,
            seed=training.seed,
            bf16=begun.bf16,
        ).to(begun.device)
    corpus, rows, held_out = read_corpus(begun, settings, cleared)
    agree(begun, corpus, encoder, made, {})
    batches = Batches(
        corpus,
        rows,
        batch_size=training.batch_size,
        text_parts=[EveryColumn()],
        seed=training.seed,
        mask_repeats=False,
    )
    settings = with_fitting_warmup(settings, steps_of(settings, len(rows)))
    num_steps = num_steps_of(settings, len(rows))
    objective = made.build(width=encoder.width)
    objective.attach(
        Supplies(
            width=encoder.width, networks={"language_model": head}, num_rows=len(corpus), seed=training.seed
        )
    )
    protocol = TrainingProtocol()
    modules = module_tree(encoder, objective, protocol=protocol).to(begun.device)
    words = None
    if len(held_out):
        words = HeldOutWords(
            corpus.take(held_out),
            objective,
            max_length=training.max_length,
            mask_rate=masking.mask_rate,
            seed=training.seed,
            listener=listener,
        )
    looks = EvaluationPlan(
        rows=0 if words is None else len(words.texts),
        eval_every=settings.selection.eval_every or min(EVALUATION_INTERVAL, num_steps),
        shares=(),
    )
    whose_head = "new" if head.is_new else "the model's own"
    facts = {
        "views": ",".join(corpus.columns),
        "eval_every": looks.eval_every,
        "evaluations": 0 if words is None else looks.num_evaluations(num_steps),
        "look_in_steps": _cost_in_steps(words, encoder, batches, training.max_length),
        "language_head": whose_head,
        "loss_of": "held-out loss",
        "lines": [
            f"{len(rows):,} rows to train on, {len(held_out):,} held out; {begun.device}, {begun.chosen}"
            + (f", {begun.processes.size} processes" if begun.processes.size > 1 else ""),
            f"{masking.mask_rate:.0%} of the words are hidden at every step; the masked-language head is {whose_head}",
        ],
    }
    session = session_of(
        begun,
        settings,
        made,
        texts=Texts(corpus=corpus, held_out=held_out, batches=batches, views=EveryColumn.name),
        model=Model(encoder=encoder, objective=objective, protocol=protocol, modules=modules),
        looks=Looks(monitor=words, criterion=None, plan=looks),
        num_steps=num_steps,
        facts=facts,
        forward_backward=forward_backward,
    )
    write_or_restore(session, {}, begun, resume=resume)
    session.timings.prepared(session.progress.step, looking=0.0)
    return session


def load_encoder(settings: PretrainSettings) -> Encoder:
    """The encoder that the run begins with: a pretrained model's, or a new one of the size that was asked for."""
    chosen, size = settings.encoder, settings.scratch
    if size.layers is not None and size.width is not None:
        return new_encoder(
            layers=size.layers,
            width=size.width,
            heads=size.num_heads,
            vocabulary=size.vocabulary or "minilm",
            pooling=chosen.pooling,
            dropout=chosen.dropout,
            revision=chosen.revision,
            seed=settings.training.seed,
        )
    return Encoder.load(
        chosen.model, pooling=chosen.pooling, head="none", dropout=chosen.dropout, revision=chosen.revision
    )


@torch.no_grad()
def _cost_in_steps(words: HeldOutWords | None, encoder: Encoder, batches: Batches, max_length: int) -> float:
    """A look at held-out text takes as long as so many steps, about."""
    if words is None:
        return 0.0
    texts = [text for column in batches.at(0).texts.values() for text in column]
    per_step = sum(map(len, encoder.token_ids(texts, encoder.length_for(max_length))))
    return sum(words.cost(encoder).pairs) / (TRAINING_COST * max(1, per_step))
