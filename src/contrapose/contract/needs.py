"""What a method needs beside the vectors of its texts: inner layers, tokens, labels, other models.

A part says it, the objective adds it up over its parts, and training supplies it. What nobody needs costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from torch import Tensor, nn

from contrapose.contract.template import Template
from contrapose.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Companion:
    """Another encoder that reads texts beside the trained one, of any width. No gradient enters it.

    name      its vectors are the views ``anchor@NAME``, ``positive@NAME``, ...
    source    "start": the model that the run began with; "self": the model as it is now, taken at the first step; or
              the name or folder of a model. A protocol may renew a copy ("self") between steps
    vectors   a file with one vector per row of the corpus, in its order (.npy, .safetensors, .parquet), in place of a
              model: then every view of a row has that vector
    reads     the views whose texts it reads
    momentum  after every accepted step its weights move to momentum * its own + (1 - momentum) * the trained ones;
              None: it stays as it is
    dropout   whether its dropout is on
    same_width  its vectors are compared with the trained ones, so they must be of the same width
    through_head  whether its vectors pass through the trained head, as it is at that step and without gradient, so that
              they can be compared with the views; only for a companion that starts as the trained model does
    """

    name: str
    source: str = "start"
    vectors: str | None = None
    reads: tuple[str, ...] = ("anchor", "positive")
    momentum: float | None = None
    dropout: bool = False
    same_width: bool = False
    through_head: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name == "pooled":
            raise ValueError(
                f"'{self.name}' names no companion: take a word such as teacher, but not 'pooled'"
            )
        if self.momentum is not None and not 0 <= self.momentum < 1:
            raise ValueError(f"companion '{self.name}': momentum is {self.momentum}; it must be in [0, 1)")
        if self.through_head and (self.vectors is not None or self.source not in ("start", "self")):
            raise ValueError(
                f"companion '{self.name}': only what starts as the trained model fits its head (through_head)"
            )

    @property
    def about(self) -> str:
        """Who it is, for the person who starts a run.

        >>> Companion(name="teacher").about
        'teacher: the model that the run begins with, frozen'
        """
        if self.vectors is not None:
            return f"{self.name}: the vectors of {self.vectors}"
        own = {"start": "the model that the run begins with", "self": "a copy of the model"}
        if self.momentum is not None:
            changes = f"following the trained weights by {1 - self.momentum:g} a step"
        else:
            changes = "renewed where the protocol says so" if self.source == "self" else "frozen"
        return f"{self.name}: {own.get(self.source, self.source)}, {changes}"


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network that a term of the loss uses. Training builds it and hands it to the part in :class:`Supplies`.

    kind       "masked-language-model": token ids to logits over the vocabulary; "discriminator": an encoder body that
               is started from ``source`` and takes input embeddings; "own-language-model": the encoder that is trained,
               with a masked-language-model head on it: token ids and chosen positions to logits
    source     "start": the model that the run began with; or the name or folder of a model; of an own language model
               "start" is the head in that model's folder, "new" a new head, "new-if-missing" either
    trainable  False: it is frozen, in evaluation mode, and no part of the checkpoint
    """

    name: str
    kind: Literal["masked-language-model", "discriminator", "own-language-model"]
    source: str = "start"
    trainable: bool = False


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What must be there beside ``anchor`` and ``positive``.

    texts       further views of text, for example "negative_1"
    layers      inner layers whose pooled vectors are views: -2 is the layer below the last, ``anchor@-2``
    pooled      the vectors before the train-only head, ``anchor@pooled``
    tokens      token ids and masks of this process's rows
    labels      one class per row
    companions  other encoders, see :class:`Companion`
    networks    networks of a term, see :class:`Network`
    row_texts   whose text is whose: the number of every row's first text, ``Supplies.text_ids_N``
    template    words around every text, see :class:`Template`
    targets     numbers that a text part gives beside the texts, ``Views.targets``

    >>> (Needs(layers=(-2,)) | Needs(layers=(-3, -2), tokens=True)).layers
    (-2, -3)
    """

    texts: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    pooled: bool = False
    tokens: bool = False
    labels: bool = False
    companions: tuple[Companion, ...] = ()
    networks: tuple[Network, ...] = ()
    row_texts: bool = False
    template: Template | None = None
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(layer >= -1 for layer in self.layers):
            raise ValueError(f"layers {self.layers}: inner layers are counted from the last, so -2 and below")

    def __or__(self, other: Needs) -> Needs:
        """What either needs. Raises UsageError where they mean two models by one name, or two templates."""
        if None not in (self.template, other.template) and self.template != other.template:
            raise UsageError(
                f"two parts bring templates, {self.template} and {other.template}, and a text has room for one"
            )
        return Needs(
            texts=tuple(dict.fromkeys((*self.texts, *other.texts))),
            layers=tuple(sorted({*self.layers, *other.layers}, reverse=True)),
            pooled=self.pooled or other.pooled,
            tokens=self.tokens or other.tokens,
            labels=self.labels or other.labels,
            companions=_one_of_each(self.companions, other.companions),
            networks=_one_of_each(self.networks, other.networks),
            row_texts=self.row_texts or other.row_texts,
            template=self.template or other.template,
            targets=tuple(dict.fromkeys((*self.targets, *other.targets))),
        )


_Model = TypeVar("_Model", Companion, Network)


def _one_of_each(ours: tuple[_Model, ...], theirs: tuple[_Model, ...]) -> tuple[_Model, ...]:
    by_name: dict[str, _Model] = {model.name: model for model in ours}
    for model in theirs:
        if by_name.setdefault(model.name, model) != model:
            raise UsageError(
                f"two parts need a model called '{model.name}' and mean different ones: {by_name[model.name]} and "
                f"{model}. Give one of them another name"
            )
    return tuple(by_name.values())


@dataclass(frozen=True, kw_only=True)
class Supplies:
    """What :meth:`Part.attach` is given, once, before the first step.

    width             of the views that the loss sees
    pooled_width      of the vectors before the head
    companion_widths  companion -> its width
    networks          network -> the module that was built for it
    num_rows          rows of the corpus, where it is known
    num_training_rows those of them that are trained on: the others are held out
    num_classes       different labels, where there are labels
    text_ids_N        (num_rows,) int64: of every row's first text, as ``Views.text_ids`` are of a batch's
    seed              for what is drawn at the beginning, such as the weights of a head
    """

    width: int
    pooled_width: int | None = None
    companion_widths: Mapping[str, int] = field(default_factory=dict)
    networks: Mapping[str, nn.Module] = field(default_factory=dict)
    num_rows: int | None = None
    num_training_rows: int | None = None
    text_ids_N: Tensor | None = None
    num_classes: int | None = None
    seed: int = 0
