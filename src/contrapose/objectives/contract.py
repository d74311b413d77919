"""The whole vocabulary: Views in, Loss out. An objective sees embeddings, never the encoder.

Read this file and one paper's file, and you can write a method. The words:

view         one embedding per row of the batch: ``anchor``, ``positive``, and whatever else a method needs.
candidate    a column that a row is compared with. Its own positive is one; every other column is a negative.
source       makes extra candidate columns (a queue of past embeddings, mixtures of hard negatives).
mixer        changes the positive before scoring (HNCSE's positive mixing).
objective    the paper's equation: a pure function ``(views, candidates, *, hyperparameters) -> Outcome``.
method       the record of a paper: its objective, the parts it uses, its defaults, its departures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Protocol, get_args

import torch
from pydantic import Field
from torch import Tensor

from contrapose.maths.scores import Columns, ScoreTable

#: Hyperparameters that several equations and parts take. Two that use one name mean one number only where they use one
#: of these objects; otherwise putting them together is refused.
Temperature = Annotated[float, Field(gt=0, le=10, description="cosines are divided by it; 1/scale")]
RawVectors = Annotated[
    bool, Field(description="mix vectors as they are, as the published code does: longer ones weigh more")
]


@dataclass(frozen=True, kw_only=True)
class Views:
    """Embeddings of one global batch, by view name. Row i of every view belongs to row i of the batch.

    by_name   name -> (B, D). Always ``anchor`` and ``positive``; ``negative_1``.. where the data have them;
              ``own_positive`` where a mixer gives each row a positive that is not the others' negative.
    text_ids  name -> (B,) int64, equal numbers for equal texts. Columns that repeat the anchor are struck out.
    row_ids   (B,) int64, the row of the corpus.
    seed, step: where all randomness of the parts is derived from.
    """

    by_name: Mapping[str, Tensor]
    text_ids: Mapping[str, Tensor] = field(default_factory=dict)
    row_ids: Tensor | None = None
    seed: int = 0
    step: int = 0

    @classmethod
    def pair(
        cls, anchor: Tensor, positive: Tensor, negatives: Tensor | Sequence[Tensor] | None = None, **rest: Any
    ) -> Views:
        """Views from bare tensors (B, D); ``negatives`` is (B, D), a list of them, or (B, K, D)."""
        by_name = {"anchor": anchor, "positive": positive}
        if isinstance(negatives, Tensor):
            negatives = [negatives] if negatives.dim() == 2 else list(negatives.unbind(1))
        for number, negative in enumerate(negatives or (), start=1):
            by_name[f"negative_{number}"] = negative
        for name, view in by_name.items():
            if view.dim() != 2 or view.shape != anchor.shape:
                raise ValueError(
                    f"view '{name}' has shape {tuple(view.shape)}; expected {tuple(anchor.shape)}"
                )
        return cls(by_name=by_name, **rest)

    @property
    def anchor(self) -> Tensor:
        return self.by_name["anchor"]

    @property
    def positive(self) -> Tensor:
        return self.by_name["positive"]

    @property
    def negatives(self) -> dict[str, Tensor]:
        """The explicit negatives of a triplet corpus, in order."""
        return {name: view for name, view in self.by_name.items() if name.startswith("negative_")}

    @property
    def num_rows(self) -> int:
        return self.anchor.shape[0]

    def with_views(self, **views: Tensor) -> Views:
        """The same batch with some views replaced or added."""
        return replace(self, by_name={**self.by_name, **views})

    def repeats_anchor(self, name: str) -> Tensor | None:
        """(B, B) bool: column j of view ``name`` says what row i's anchor or positive says. None without texts."""
        anchor, positive, other = (self.text_ids.get(view) for view in ("anchor", "positive", name))
        if anchor is None or positive is None or other is None:
            return None
        same_BB = (anchor[:, None] == other[None, :]) | (positive[:, None] == other[None, :])
        # Two rows of one anchor: what is a positive of either is no negative of the other.
        return same_BB | (anchor[:, None] == anchor[None, :]) if name == "positive" else same_BB


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Extra columns from one source, with what the source wants logged about them."""

    columns: Columns
    stats: Mapping[str, Tensor] = field(default_factory=dict)


class NegativeSource(Protocol):
    """Makes extra columns. Stateful ones are ``nn.Module`` whose whole state is in persistent buffers."""

    def candidates(self, views: Views) -> Candidates | None:
        """Columns for this batch, or None where there is nothing to add. Must not change any state."""

    def observe(self, views: Views) -> None:
        """Called once after an accepted step with the unmixed views, never after a skipped one."""


class PositiveMixer(Protocol):
    """Changes the positive before scoring. Sources are asked with the unmixed views."""

    def mix(self, views: Views) -> tuple[Views, Mapping[str, Tensor]]:
        """The views to score, and statistics for the log."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an equation returns: one loss per row, and the table and logits it was made from."""

    loss_B: Tensor
    logits_BC: Tensor
    table: ScoreTable


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a training step and a user get. ``terms`` sum to ``total``; ``stats`` are detached tensors.

    Nothing here waits for the device: call ``float()`` on a statistic only where it is logged.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    stats: Mapping[str, Tensor]
    outcome: Outcome


class Equation(Protocol):
    """An objective: a pure function ``(views, candidates, *, hyperparameters)``, each number with type and default."""

    __name__: str

    def __call__(self, *views_and_candidates: Any, **hyperparameters: Any) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Method:
    """The record of a paper. ``parts`` names the sources and mixers it is made of; ``defaults`` override theirs."""

    name: str
    idea: str
    paper: str
    reference: str
    objective: Equation
    parts: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    departures: tuple[str, ...] = ()


Role = Literal["negative source", "positive mixer"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A source or mixer under the name by which ``--with`` and methods use it."""

    name: str
    idea: str
    role: Role
    build: Callable[..., NegativeSource | PositiveMixer]

    def __post_init__(self) -> None:
        if self.role not in (roles := get_args(Role)):
            raise ValueError(
                f"part '{self.name}' has the role '{self.role}', which is none of {', '.join(roles)}"
            )


def no_rows() -> Tensor:
    """The statistic of an empty selection: not a number, so that a log cannot mistake it for a measurement."""
    return torch.tensor(float("nan"))
