"""A positive that says the same in other tokens: the first letter of some words changes its case.

    "the city of Rome"  ->  "the City of rome"

To a tokenizer that knows capitals, "city" and "City" are different tokens, or split into different pieces, while the
meaning stays. So the positive differs from its anchor by more than dropout. Variants (``switch_variant``):

    v2              each word is chosen with probability p, independently of the others
    v1              max(1, round(p * words)) words, drawn without replacement among those that have a case to switch
    substitution    as v2, of those words of which only the first piece becomes another
    retokenization  as v2, of those words that are split in another way

Wang et al. 2022, "Improving Contrastive Learning of Sentence Embeddings with Case-Augmented Positives and Retrieved
Negatives" (CARDS), SIGIR; https://arxiv.org/abs/2206.02457

Departures from the code: the text itself is switched and then cut to the run's length (the code switches what its
tokenizer gives back, and does not cut the result); v1 counts words whose first letter has a case; ``retokenization``
switches the word (the code keeps its letters and gives it the pieces of the switched one, which is no text).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from contrapose.contract import TextPart, TextRows
from contrapose.errors import UsageError
from contrapose.seeds import numpy_generator

#: Texts on which is tried whether a switch changes any token.
TRIED = 256
#: Words whose pieces are remembered; the memory is emptied when it is full.
WORDS_KEPT = 50_000

Variant = Literal["v2", "v1", "substitution", "retokenization"]
TokenIds = Callable[[Sequence[str]], list[list[int]]]
SwitchProbability = Annotated[
    float, Field(ge=0, le=1, description="share of the words whose first letter changes its case")
]


def switched(word: str) -> str:
    """The word with the case of its first letter switched; as it is where that has no case.

    >>> switched("city"), switched("Rome"), switched("42nd")
    ('City', 'rome', '42nd')
    """
    first = word[:1]
    if not first.isalpha():
        return word
    return (first.upper() if first.islower() else first.lower()) + word[1:]


def change_of_pieces(before: Sequence[int], after: Sequence[int]) -> str:
    """What a switch does to the pieces of a word, in the paper's words.

    >>> change_of_pieces([5], [9]), change_of_pieces([5, 6], [9, 6])
    ('substitution', 'substitution')
    >>> change_of_pieces([5], [7, 8]), change_of_pieces([7, 8], [5]), change_of_pieces([1, 2], [3, 4])
    ('division', 'fusion', 'regrouping')
    """
    before, after = list(before), list(after)
    more = len(after) - len(before)
    if before == after:
        return "none"
    if before[1:] == after[1:]:
        return "substitution"
    if more > 0 and before[1:] == after[1 + more :]:
        return "division"
    if more < 0 and before[1 - more :] == after[1:]:
        return "fusion"
    return "regrouping"


def refuse_uncased(token_ids: TokenIds, option: str, instead: str) -> None:
    """Raise UsageError for a tokenizer that does not tell capitals apart.

    option: what was asked for; instead: what to do without a cased model, a clause.

    >>> refuse_uncased(lambda texts: [[len(text)] for text in texts], "--views switch-case", "take --views crop")
    Traceback (most recent call last):
    contrapose.errors.UsageError: --views switch-case does nothing with this model: its tokenizer makes no difference...
    """
    if token_ids(["Paris Is Here"]) == token_ids(["paris is here"]):
        raise UsageError(
            f"{option} does nothing with this model: its tokenizer makes no difference between 'Paris' and 'paris'; "
            f"take a cased model, or {instead}"
        )


class SwitchCase(TextPart):
    """Anchor and positive are the row's text, of which the positive (or as ``switch_view`` says) has words switched."""

    name = "switch-case"
    idea = "One text twice, the second time with the case of some words' first letters switched."
    needs_dropout = True
    advice = (
        "Try another --set switch_probability, --views retrieved beside it or a lower --learning-rate, and judge with "
        "labels (--dev-data, contrapose evaluate)."
    )

    def __init__(
        self,
        *,
        switch_probability: SwitchProbability = 0.05,
        switch_variant: Annotated[
            Variant,
            Field(description="which words: each by chance, a fixed share, or by how their pieces change"),
        ] = "v2",
        switch_view: Annotated[
            Literal["positive", "anchor", "both"], Field(description="the view whose words are switched")
        ] = "positive",
        token_ids: TokenIds | None = None,
    ) -> None:
        self.probability, self.variant, self.view = switch_probability, switch_variant, switch_view
        self._token_ids = token_ids
        self._kinds: dict[str, str] = {}
        self._fact = ""

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        """Refuses a tokenizer that does not tell capitals apart, and text without any."""
        if self._token_ids is None:
            return
        refuse_uncased(
            self._token_ids,
            "--views switch-case",
            "leave the switching out: --views retrieved keeps the retrieved negatives with dropout views",
        )
        tried = rows_N[np.unique(np.linspace(0, len(rows_N) - 1, TRIED).astype(np.int64))]
        texts, *_ = corpus.take(tried).values()
        if not self._changed(texts, 1.0).any():
            raise UsageError(
                f"--views switch-case (switch_variant={self.variant}) changes no token of {len(texts)} texts that were "
                "tried: they have no word that it could switch; take --views dropout or crop"
            )
        share = self._changed(texts, self.probability).mean()
        self._fact = f"switching letters changes the tokens of {share:.0%} of the texts at a step"

    def facts(self) -> list[str]:
        return [self._fact] if self._fact else []

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (texts,) = columns.values()
        views = ("anchor", "positive")
        return {
            view: [
                self.switch(
                    text, self.probability, numpy_generator(seed, "switch-case", step, int(row), view)
                )
                for text, row in zip(texts, rows, strict=True)
            ]
            if self.view in (view, "both")
            else texts
            for view in views
        }

    def switch(self, text: str, probability: float, rng: np.random.Generator) -> str:
        """The text with words switched; itself, spaces and all, where none is.

        >>> SwitchCase().switch("one  two", 0.0, np.random.default_rng(0))
        'one  two'
        >>> SwitchCase().switch("one two", 1.0, np.random.default_rng(0))
        'One Two'
        """
        words = text.split()
        can = np.array([switched(word) != word for word in words], dtype=bool)
        if self.variant == "v1":
            many = max(1, round(probability * len(words))) if probability else 0
            chosen = list(rng.permutation(np.flatnonzero(can))[:many])
        else:
            chosen = list(np.flatnonzero((rng.random(len(words)) < probability) & can))
        if self.variant in ("substitution", "retokenization"):
            chosen = [number for number in chosen if self._is_of_variant(words[number])]
        if not chosen:
            return text
        for number in chosen:
            words[number] = switched(words[number])
        return " ".join(words)

    def _is_of_variant(self, word: str) -> bool:
        if word not in self._kinds:
            assert self._token_ids is not None, f"variant {self.variant} looks at tokens"
            if len(self._kinds) >= WORDS_KEPT:
                self._kinds = {}
            marks = set(self._token_ids([""])[0])  # what stands around every text
            before, after = (
                [token for token in ids if token not in marks]
                for ids in self._token_ids([word, switched(word)])
            )
            self._kinds[word] = change_of_pieces(before, after)
        kind = self._kinds[word]
        return (
            kind == "substitution" if self.variant == "substitution" else kind in ("division", "regrouping")
        )

    def _changed(self, texts: Sequence[str], probability: float) -> np.ndarray:
        """(N,) bool: whether a switched text has other tokens."""
        assert self._token_ids is not None
        after = [
            self.switch(text, probability, numpy_generator(0, "switch-case", number))
            for number, text in enumerate(texts)
        ]
        pairs = zip(self._token_ids(texts), self._token_ids(after), strict=True)
        return np.array([one != other for one, other in pairs], dtype=bool)


TEXT_PART = SwitchCase
