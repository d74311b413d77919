"""Embeddings of one batch, by view; and the grammar of their names.

anchor            the vector that the loss compares: after the train-only head where the model has one
anchor@-2         of an inner layer, counted from the last, pooled as the last layer is
anchor@pooled     before the train-only head
anchor@teacher    by the companion of that name, of that companion's width
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from contrapose.maths.struck import Struck, equal_to_any


def key_of(view: str, source: str | int) -> str:
    """The name of a view as another source gives it.

    >>> key_of("anchor", -2), key_of("positive", "teacher")
    ('anchor@-2', 'positive@teacher')
    """
    return f"{view}@{source}"


def split_key(key: str) -> tuple[str, str | None]:
    """The view and its source; None for the vector that the loss compares.

    >>> split_key("anchor@-2"), split_key("negative_1")
    (('anchor', '-2'), ('negative_1', None))
    """
    view, at, source = key.partition("@")
    return view, source if at else None


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The token ids of one view, for terms that look at tokens: this process's rows alone.

    ids_RT        (R, T) int64, padded: T is the longest row of any view and of the whole batch
    attention_RT  (R, T) bool, False at padding
    special_RT    (R, T) bool, True at padding and at the tokenizer's own tokens, which no term may replace
    rows          which rows of the batch these are
    num_tokens    tokens of this view in the whole batch, padding left out
    words_BT      (B, T) bool, the opposite of ``special_RT`` for all rows of the batch; None where these are all rows
    """

    ids_RT: Tensor
    attention_RT: Tensor
    special_RT: Tensor
    rows: slice
    num_tokens: int
    words_BT: Tensor | None = None

    @property
    def words_of_batch(self) -> Tensor:
        """(B, T) bool: which positions of the whole batch hold words, neither padding nor a token of its own."""
        return ~self.special_RT if self.words_BT is None else self.words_BT


@dataclass(frozen=True, kw_only=True)
class Views:
    """Embeddings of one global batch, by view name. Row i of every view belongs to row i of the batch.

    by_name    name -> (B, D). Always ``anchor`` and ``positive``; ``negative_1``.. where the data have them;
               ``own_positive`` where a mixer gives each row a positive that is not the others' negative; and what the
               method needs beside, see the grammar above.
    text_ids   name -> (B,) int64, equal numbers for equal texts. Columns that repeat the anchor are struck out.
    struck_out (B, B) bool: a filter left row j's positive out of the negatives of row i, so no part mixes it into one;
               None where no part filters, or none could mix. The objective asks the filters before it asks the others.
    row_ids    (B,) int64, the row of the corpus.
    labels     (B,) int64, the class of the row, where the method needs it.
    tokens     name -> the token ids of this process's rows, where the method needs them.
    targets    name -> (B, ...) float32: what the loss is to reproduce, by the text part that made the texts.
    seed, step: where all randomness of the parts is derived from; num_steps: of the whole run, None where unknown.
    """

    by_name: Mapping[str, Tensor]
    text_ids: Mapping[str, Tensor] = field(default_factory=dict)
    struck_out: Tensor | None = None
    row_ids: Tensor | None = None
    labels: Tensor | None = None
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    seed: int = 0
    step: int = 0
    num_steps: int | None = None

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
        return {
            name: view
            for name, view in self.by_name.items()
            if name.startswith("negative_") and "@" not in name
        }

    def of(self, view: str, source: str | int) -> Tensor:
        """A view as an inner layer or a companion gives it, or before the head.

        Raises KeyError where it was not supplied: a part says in ``needs`` what it reads.
        """
        if (key := key_of(view, source)) not in self.by_name:
            raise KeyError(
                f"there is no view '{key}': it must be among the part's needs, or be given to the loss by that name"
            )
        return self.by_name[key]

    @property
    def num_rows(self) -> int:
        return self.anchor.shape[0]

    def with_views(self, **views: Tensor) -> Views:
        """The same batch with some views replaced or added."""
        return replace(self, by_name={**self.by_name, **views})

    def repeats_anchor(self, name: str) -> Tensor | None:
        """(B, B) bool: column j of view ``name`` says what row i's anchor or positive says. None without texts."""
        repeats = self.repeats(name)
        return None if repeats is None else repeats.table()

    def repeats(self, name: str) -> Struck | None:
        """The same as :meth:`repeats_anchor`, without a table: for :class:`Columns`."""
        anchor, positive, other = (self.text_ids.get(view) for view in ("anchor", "positive", name))
        if anchor is None or positive is None or other is None:
            return None
        same = Struck(pairs=((anchor, other), (positive, other)))
        # Positives of one anchor are no negatives of either row, and no more are anchors of one positive.
        partner = {"anchor": positive, "positive": anchor}.get(name)
        return same if partner is None else same.also(partner, partner)

    def says_own_text(self, text_ids_N: Tensor) -> Struck | None:
        """The same as :meth:`own_text` of columns that all rows share, without a table; None without texts."""
        return equal_to_any([self.text_ids.get(view) for view in ("anchor", "positive")], text_ids_N)

    def own_text(self, text_ids: Tensor) -> Tensor:
        """(B, C) bool: the column's text is the row's anchor or positive; False where texts are not known.

        text_ids: of columns that all rows share (C,), or of each row (B, C).
        """
        own_BC = torch.zeros(self.num_rows, text_ids.shape[-1], dtype=torch.bool, device=text_ids.device)
        for view in ("anchor", "positive"):
            if (ids_B := self.text_ids.get(view)) is not None:
                own_BC = own_BC | (ids_B[:, None] == text_ids)
        return own_BC

    def same_class(self) -> Tensor | None:
        """(B, B) bool: rows i and j have one label. None without labels."""
        return None if self.labels is None else self.labels[:, None] == self.labels[None, :]

    def ruled_out(self) -> Tensor:
        """(B, B) bool: row j's positive is no negative of row i, and no part of one. It is the row's own, it repeats
        the row's text where texts are known, or a filter struck it out."""
        ruled_out_BB = torch.eye(self.num_rows, dtype=torch.bool, device=self.anchor.device)
        for further_BB in (self.repeats_anchor("positive"), self.struck_out):
            if further_BB is not None:
                ruled_out_BB = ruled_out_BB | further_BB
        return ruled_out_BB

    def may_be_negative(self) -> Tensor:
        """(B, B) bool: row j's positive may be a negative of row i. It is not ruled out, and of another class where
        those are known."""
        same_BB = self.same_class()
        return ~self.ruled_out() if same_BB is None else ~(self.ruled_out() | same_BB)
