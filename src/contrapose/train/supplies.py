"""What a method needs beside the trained encoder is made here, and refused here, before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.contract import Companion, Needs, Network, Supplies, Views, first_texts
from contrapose.data.corpus import Corpus
from contrapose.encoder.backbone import NoLanguageHead
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.encoder.token_networks import ConditionedEncoder, MaskedLanguageModel
from contrapose.errors import ContraposeError, UsageError
from contrapose.objectives.objective import Objective
from contrapose.text.catalogue import all_text_parts
from contrapose.text.identity import text_hashes
from contrapose.train.companions import Companions, changes
from contrapose.train.environment import pick_precision
from contrapose.train.settings import RunSettings
from contrapose.train.vectors_file import fingerprint_of_file, read_vectors


@dataclass(frozen=True)
class Beside:
    """The models beside the trained one. fingerprints: of those that a continuation must find as they were."""

    encoders: Mapping[str, Encoder] = field(default_factory=dict)
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)


def load_beside(needs: Needs, settings: RunSettings, encoder: Encoder) -> Beside:
    """Load every model that the method needs. Raises UsageError and ModelError that name what it is needed for."""
    _check_layers(needs, settings, encoder)
    encoders = {
        companion.name: _companion(companion, settings, encoder)
        for companion in needs.companions
        if companion.vectors is None
    }
    networks = {network.name: _network(network, settings, encoder) for network in needs.networks}
    fingerprints = {
        companion.name: encoders[companion.name].fingerprint()
        for companion in needs.companions
        if companion.name in encoders and not changes(companion)
    }
    fingerprints |= {
        companion.name: _fingerprint_of_vectors(companion.vectors, settings)
        for companion in needs.companions
        if companion.vectors is not None
    }
    fingerprints |= {
        name: network.fingerprint()
        for name, network in networks.items()
        if isinstance(network, MaskedLanguageModel)
    }
    return Beside(encoders, networks, fingerprints)


def supply(
    objective: Objective,
    beside: Beside,
    encoder: Encoder,
    corpus: Corpus,
    rows: np.ndarray,
    seed: int,
    num_classes: int | None = None,
) -> Companions | None:
    """Hand the parts what they need. The companions of the run, their files compared with the corpus; or None."""
    needed = objective.needs.companions
    files = {
        companion.name: read_vectors(companion.vectors, rows=len(corpus))
        for companion in needed
        if companion.vectors is not None
    }
    companions = Companions(needed, beside.encoders, files) if needed else None
    objective.attach(
        Supplies(
            width=encoder.width,
            pooled_width=encoder.width,
            companion_widths=companions.widths if companions else {},
            networks=beside.networks,
            num_rows=len(corpus),
            num_training_rows=len(rows),
            num_classes=num_classes,
            text_ids_N=_text_ids(corpus) if objective.needs.row_texts else None,
            seed=seed,
        )
    )
    return companions


def _text_ids(corpus: Corpus) -> Tensor:
    """(rows,) of the first text of every row, read in blocks."""
    return torch.cat([text_hashes(texts) for _, texts in first_texts(corpus, np.arange(len(corpus)))])


def check_views(needs: Needs, given: Sequence[str], targets: Sequence[str] = ()) -> None:
    """Raise UsageError where a batch lacks a view, or what the loss is to reproduce, that the method needs."""
    wanted = (*needs.texts, *(view for companion in needs.companions for view in companion.reads))
    if missing := [view for view in wanted if view not in given]:
        makers = [name for name, part in all_text_parts().items() if missing[0] in part.gives]
        raise UsageError(
            f"the method needs the view '{missing[0]}', and a batch holds {', '.join(given)}: give a corpus with that "
            f"column, or {' or '.join(f'--views {name}' for name in makers) or 'other --views'}"
        )
    if missing := [name for name in needs.targets if name not in targets]:
        makers = [name for name, part in all_text_parts().items() if missing[0] in part.gives_targets]
        raise UsageError(
            f"the method needs '{missing[0]}', which these views do not give: use --views {' or '.join(makers)}"
        )


def check_tiled(objective: Objective, tiled: str, *, has_labels: bool) -> None:
    """Raise UsageError where the loss is to be in tiles always, and something of it needs all pairs at once."""
    labels = torch.empty(0, dtype=torch.int64) if has_labels else None
    if tiled == "always" and (why := objective.why_not_in_tiles(Views(by_name={}, labels=labels))):
        raise UsageError(f"tiled=always: {why}. Take tiled=auto, the default, which leaves tiles out there")


def _given_by(settings: RunSettings, value: str) -> str:
    """The hyperparameter that has this value, as it is given: ``--set teacher=FOLDER``; '' where none has."""
    names = [name for name, given in settings.method.hyperparameters.items() if given == value]
    return f"--set {names[0]}={value}" if names else ""


def _fingerprint_of_vectors(path: str, settings: RunSettings) -> str:
    try:
        return fingerprint_of_file(path)
    except UsageError as error:
        raise UsageError(f"{_given_by(settings, path) or path}: {error}") from None


def _check_layers(needs: Needs, settings: RunSettings, encoder: Encoder) -> None:
    num_layers = int(getattr(encoder.backbone.config, "num_hidden_layers", 0))
    if needs.layers and (deepest := min(needs.layers)) < -1 - num_layers:
        below = -1 - deepest
        asking = [
            f"{name}={given}"
            for name, given in settings.method.hyperparameters.items()
            if "layer" in name
            and (given in (below, deepest) or (isinstance(given, tuple) and deepest in given))
        ]
        raise UsageError(
            f"{' and '.join(asking) or 'the method'} asks for a layer {below} below the last, and '{encoder.name}' has "
            f"{num_layers} layers in all: ask for layers that it has, or take a deeper model"
        )


def _companion(companion: Companion, settings: RunSettings, encoder: Encoder) -> Encoder:
    own = companion.source in ("start", "self")
    if companion.momentum is not None and not own:
        raise UsageError(
            f"the companion '{companion.name}' follows the trained weights (momentum), so it must start from them: "
            f"source 'start' or 'self', not '{companion.source}'"
        )
    chosen = settings.encoder
    try:
        if own:
            return Encoder.load(
                chosen.model,
                pooling=encoder.pooling,
                templates=[template.words for template in encoder.templates],
                head="none",
                dropout=chosen.dropout,
                revision=chosen.revision,
            ).to(encoder.device)
        other = Encoder.load(companion.source, head="none").to(encoder.device)
    except ContraposeError as error:
        asked = _given_by(settings, companion.source)
        model = f"the model given by {asked}" if asked else f"the companion '{companion.name}' of the method"
        raise type(error)(f"{model} cannot be loaded: {error}") from None
    if companion.same_width and other.width != encoder.width:
        raise UsageError(
            f"the companion '{companion.name}' ({companion.source}) gives vectors of {other.width} numbers and "
            f"'{encoder.name}' of {encoder.width}, and the method compares the two: choose a model of the same width"
        )
    return other


def own_language_model(network: Network, settings: RunSettings, encoder: Encoder) -> OwnLanguageModel:
    """A masked-language head on the encoder that is trained; it computes in the precision of the run."""
    try:
        made = OwnLanguageModel.of(
            encoder,
            settings.encoder.model,
            head=network.source,
            revision=settings.encoder.revision,
            seed=settings.training.seed,
            bf16=pick_precision(settings.training.precision, encoder.device),
        )
    except NoLanguageHead:
        raise NoLanguageHead(
            f"the part 'mlm' needs a model that can fill in words, and '{encoder.name}' has no masked-language head: "
            f"make one with it by `contrapose pretrain CORPUS --model {settings.encoder.model} --out FOLDER`, or draw "
            "a new head with --set language_head=new"
        ) from None
    return made.to(encoder.device)


def _network(network: Network, settings: RunSettings, encoder: Encoder) -> nn.Module:
    if network.kind == "own-language-model":
        return own_language_model(network, settings, encoder)
    source = settings.encoder.model if network.source == "start" else network.source
    bf16 = pick_precision(settings.training.precision, encoder.device)
    try:
        if network.kind == "discriminator":
            own_revision = settings.encoder.revision if network.source == "start" else None
            body = Encoder.load(source, head="none", dropout=settings.encoder.dropout, revision=own_revision)
            if body.device.type == "cpu" and body.dropout_probability() > 0:
                body.use_attention("eager")
            made: nn.Module = ConditionedEncoder(body, bf16=bf16)
            made.requires_grad_(network.trainable).train(network.trainable)
        else:
            made = MaskedLanguageModel.load(source, trainable=network.trainable, bf16=bf16)
    except ContraposeError as error:
        raise type(error)(
            f"the {network.name} that the method needs cannot be loaded: {str(error).rstrip('.')}. "
            f"Choose another one with --set {network.name}=FOLDER"
        ) from None
    tokenizer = made.tokenizer if isinstance(made, MaskedLanguageModel) else body.tokenizer
    if tokenizer.get_vocab() != encoder.tokenizer.get_vocab():
        raise UsageError(
            f"the {network.name} '{source}' has another vocabulary than '{encoder.name}', so its tokens would be other "
            f"words: choose one with the vocabulary of the model, with --set {network.name}=FOLDER"
        )
    return made.to(encoder.device)
