"""A method as it was asked for: its record, further parts, the views, and every hyperparameter checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from contrapose.config import Frozen
from contrapose.contract import Method, Needs, Part, TextPart, TrainingProtocol
from contrapose.errors import UsageError
from contrapose.objectives.exclusions import Record, exclusion_among, refuse_exclusions
from contrapose.objectives.hyperparameters import hyperparameters_of, values_for
from contrapose.objectives.objective import Objective
from contrapose.text.catalogue import AUTO, text_parts_for, text_parts_named


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method with extra parts, views and hyperparameters, checked, not yet built.

    file_sha256: of the file the method was read from; None for a method of the catalogue.
    protocol_class: the method's protocol, or the one that ``--with`` added.
    """

    method: Method
    parts: tuple[type[Part], ...]
    hyperparameters: Frozen
    views: str = AUTO
    file_sha256: str | None = None
    protocol_class: type[TrainingProtocol] = TrainingProtocol

    @property
    def needs(self) -> Needs:
        """What must be supplied: known before any model is loaded."""
        return self.build(width=1).needs

    def build(self, width: int) -> Objective:
        """The objective for embeddings of ``width`` numbers; what it needs beside is handed over by ``attach``."""
        values = self.hyperparameters.model_dump()
        equation = self.method.objective
        return Objective(
            equation,
            values_for(hyperparameters_of(equation), values),
            self._parts(width),
            self.method.needs,
        )

    def _parts(self, width: int) -> list[Part]:
        values = self.hyperparameters.model_dump()
        return [_instance(part, values, width=width) for part in self.parts]

    def text_parts(
        self,
        columns: Sequence[str],
        *,
        max_words: int,
        token_ids: Callable[[Sequence[str]], list[list[int]]] | None = None,
    ) -> tuple[TextPart, ...]:
        """What makes the texts of the views from data of these columns, for an encoder that reads so many words.

        token_ids: texts to the encoder's token ids, for those that look at them.
        """
        values = self.hyperparameters.model_dump()
        chosen = text_parts_for(self.views, columns, self.method.text_parts)
        # Where nobody chose views, the columns of the data did, so that this is the first place where they are known.
        refuse_exclusions(self._records(chosen), f"method '{self.method.name}'")
        return tuple(_instance(part, values, max_words=max_words, token_ids=token_ids) for part in chosen)

    def _records(self, texts: Sequence[type[TextPart]]) -> tuple[Record, ...]:
        """All that may exclude one another; parts that are made, since that may depend on their hyperparameters."""
        return (self.method, *self._parts(width=1), *texts, self.protocol_class)

    def try_texts_and_protocol(self) -> None:
        """Make the protocol, and the text parts as far as they are chosen before the data is known. Raises ValueError
        where numbers contradict one another, or make parts of which one excludes the other."""
        self.protocol()
        texts = text_parts_named(self.views, self.method.text_parts)
        for part in texts:
            _instance(part, self.hyperparameters.model_dump(), max_words=1, token_ids=None)
        if (refused := exclusion_among(self._records(texts))) is not None:
            raise ValueError(str(refused))

    def refuse_ignored(self, views: Iterable[str]) -> None:
        """Raise UsageError for a hyperparameter that would be ignored in batches of these views."""
        weight = getattr(self.hyperparameters, "hard_negative_weight", 0)
        if weight and not any(view.startswith("negative_") for view in views):
            raise UsageError(
                f"method '{self.method.name}': hard_negative_weight={weight:g} would be ignored, since it is for given "
                "negatives, and there are none. Leave it out, or give negatives (a third column, --views retrieved)"
            )

    def protocol(self) -> TrainingProtocol:
        """How steps follow one another: a new one, without its state yet."""
        return _instance(self.protocol_class, self.hyperparameters.model_dump())

    @property
    def has_protocol(self) -> bool:
        """Whether something happens between the steps."""
        return self.protocol_class is not TrainingProtocol


_Made = TypeVar("_Made", Part, TextPart, TrainingProtocol)


def _instance(part: type[_Made], values: Mapping[str, Any], **supplied: Any) -> _Made:
    """A part with its own of the hyperparameters, and of what is supplied that which it asks for."""
    taken = inspect.signature(part).parameters
    given = {name: value for name, value in supplied.items() if name in taken}
    return part(**values_for(hyperparameters_of(part), values), **given)
