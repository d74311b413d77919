"""A text, its identical twin and a fraternal one: the text again, and the text with its words changed (IFTCL).

    anchor = positive = the text            told apart by dropout alone
    fraternal         = the text with words repeated, left out or switched in case, as ``fraternal`` says

Xiao, Li and Chen 2023 (IFTCL), https://arxiv.org/abs/2307.10932
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contrapose.contract import TextPart, TextRows
from contrapose.seeds import numpy_generator
from contrapose.text.deletion import DeletionRate, delete_words
from contrapose.text.repetition import RepetitionRate, repeat_words
from contrapose.text.switch_case import SwitchCase, SwitchProbability, TokenIds, refuse_uncased


class Twins(TextPart):
    """Three views of one text: ``anchor``, ``positive`` and ``fraternal``.

    >>> views = Twins(fraternal="deletion", deletion_rate=0.5).texts([0], {"text": ["one two three"]}, seed=0, step=0)
    >>> views["anchor"], views["positive"], views["fraternal"]
    (['one two three'], ['one two three'], ['one three'])
    """

    name, idea = "twins", "One text twice, and a third time with words repeated or left out (IFTCL)."
    gives = ("anchor", "positive", "fraternal")
    needs_dropout = True

    def __init__(
        self,
        *,
        fraternal: Annotated[
            Literal["repetition", "deletion", "switch-case", "either"],
            Field(
                description="what makes the third text: words repeated, left out or switched in case; either of the "
                "first two, drawn for each row"
            ),
        ] = "either",
        repetition_rate: RepetitionRate = 0.32,
        deletion_rate: DeletionRate = 0.1,
        switch_probability: SwitchProbability = 0.05,
        token_ids: TokenIds | None = None,
    ) -> None:
        self.fraternal = fraternal
        self.rates = {"repetition": repetition_rate, "deletion": deletion_rate}
        self.switch_probability, self._token_ids = switch_probability, token_ids

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        """Refuses to switch the case of words for a tokenizer that does not tell capitals apart."""
        if self.fraternal == "switch-case" and self._token_ids is not None:
            refuse_uncased(self._token_ids, "fraternal=switch-case", "--set fraternal=repetition or deletion")

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        changed = [self._changed(text, seed, step, int(row)) for text, row in zip(texts, rows, strict=True)]
        return {"anchor": texts, "positive": texts, "fraternal": changed}

    def _changed(self, text: str, seed: int, step: int, row: int) -> str:
        how = self.fraternal
        if how == "switch-case":
            random = numpy_generator(seed, "switch-case", step, row, "fraternal")
            return SwitchCase().switch(text, self.switch_probability, random)
        if how == "either":
            how = ("repetition", "deletion")[int(numpy_generator(seed, "twins", step, row).integers(2))]
        change = repeat_words if how == "repetition" else delete_words
        return change(text, rate=self.rates[how], seed=seed, step=step, row=row)


TEXT_PART = Twins
