"""A part of a method: six verbs, of which each part overrides the few it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from torch import Tensor, nn

from contrapose.contract.needs import Needs, Supplies
from contrapose.contract.views import Views
from contrapose.maths.scores import Columns, ScoreTable

#: What a part is that overrides a verb.
ROLES = {
    "views": "positive mixer",
    "columns": "negative source",
    "filter": "negative filter",
    "terms": "regularizer",
}


class Part(nn.Module):
    """What a method adds around its equation. Parameters are trained, buffers are saved, both move with the device.

    A subclass says its ``name`` and ``idea``, takes its hyperparameters as keyword-only arguments (and ``width``, the
    width of the views, if it asks for it), and overrides some of the verbs. Each is a function of its arguments and of
    what lies in parameters and buffers; only ``observe`` and ``refresh`` may change buffers.

    needs          what must be supplied; may depend on hyperparameters, so it is read from the instance
    refresh_every  steps between two calls of ``refresh``; None: never

    >>> class Zeros(Part):
    ...     name, idea = "zeros", "A negative that is no vector."
    ...     def columns(self, views):
    ...         yield Columns(origin="zeros", vectors=views.anchor.new_zeros(1, views.anchor.shape[1]))
    >>> Zeros.role()
    'negative source'
    """

    name: ClassVar[str]
    idea: ClassVar[str]
    #: Whether its columns hold the row's own text on purpose: then even a row alone has negatives.
    has_own_text: ClassVar[bool] = False
    #: What it does not go with: the name of a method, part, text part or protocol -> why, in one sentence. It may
    #: depend on hyperparameters: then ``__init__`` sets it.
    excludes: Mapping[str, str] = {}
    #: Why it has to see all pairs of the batch at once, a clause that follows "since"; '' where it does not, so that
    #: the loss can be computed in tiles. A part that filters always has to.
    needs_table: str = ""

    def __init__(self) -> None:
        super().__init__()
        self.needs = Needs()
        self.refresh_every: int | None = None
        #: Statistics of the latest loss, for the log; no state: nothing that is computed reads it.
        self.statistics: dict[str, Tensor] = {}
        #: Whether they will be read: a part need not compute what costs time where they are not.
        self.reports = True

    def attach(self, supplies: Supplies) -> None:
        """Take what ``needs`` asked for, once, before the first step: build heads of its width, keep networks."""

    def views(self, views: Views) -> Views:
        """The views to score: a mixed positive, a predicted one, a mixture of rows."""
        return views

    def columns(self, views: Views) -> Iterable[Columns]:
        """Further negatives. Sees the views as the encoder gave them."""
        return ()

    def filter(self, views: Views, table: ScoreTable) -> ScoreTable:
        """Strike out or weigh any column but the positive: ``table.without(...)``, ``table.weighted(...)``.

        Where another part makes columns or views, it is asked twice. First the table holds the batch's columns and the
        given negatives alone, so that what is struck out there is not mixed into a negative (``Views.struck_out``).
        """
        return table

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        """Named scalars that are added to the loss, weighted already. Sees the views as the encoder gave them, and
        those that parts added under new names. A part that needs tokens gives this process's share: what it sums
        over the rows of its tokens is divided by the size of the whole batch, and training adds the shares up."""
        return {}

    def observe(self, views: Views) -> None:
        """Remember an accepted step; not called after a skipped one. Sees the views as the encoder gave them."""

    def refresh(self, step: int, row_ids: Tensor, vectors_ND: Tensor) -> None:
        """Look at the whole corpus, encoded as it is now, before the batch of every step that ``refresh_every``
        divides. The result belongs in buffers, so that a resumed run does not repeat it."""

    def report(self, **statistics: Tensor) -> None:
        """Statistics of this loss for the log: detached scalars. Two parts that say one name are refused.

        The log has what the first process reports: of tokens, those of its own rows. Of an empty selection:
        :func:`contrapose.contract.no_rows`."""
        self.statistics.update(statistics)

    @classmethod
    def verbs(cls) -> frozenset[str]:
        """The verbs that the part overrides."""
        every = ("views", "columns", "filter", "terms", "observe", "refresh")
        return frozenset(verb for verb in every if getattr(cls, verb) is not getattr(Part, verb))

    @classmethod
    def role(cls) -> str:
        """What the part does, in words, from the verbs it overrides."""
        words = [word for verb, word in ROLES.items() if verb in cls.verbs()]
        return ", ".join(words) or "memory"
