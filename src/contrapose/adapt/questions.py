"""The questions that held-out text answers by itself.

titles        a title finds its text                                       pairs
sentences     a sentence of a text finds the rest of it                    texts of three sentences or more
neighbours    a half of a text has the neighbours of the whole             short texts in topics
shape         how near halves lie, and how evenly all texts are spread     sentences about everything
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contrapose.adapt.texts import SHORT, Texts
from contrapose.evaluate.probes import (
    FEWEST_PAIRS,
    MIN_SENTENCES,
    body_of,
    sentences_that_ask,
    split_in_halves,
)
from contrapose.seeds import derive, numpy_generator

TITLES, SENTENCES, NEIGHBOURS, SHAPE = "titles", "sentences", "neighbours", "shape"
_RANK, _RANKED = "reciprocal rank", "log-likelihood of the right text in nats"
#: Question -> what is shown; what the change is tested by, "" for the same; and what a rise of it means.
WORDS: Mapping[str, tuple[str, str, str]] = {
    TITLES: (_RANK, _RANKED, "titles find their texts"),
    SENTENCES: (
        "reciprocal rank of the document for its sentences",
        _RANKED,
        "sentences find their documents",
    ),
    NEIGHBOURS: (
        "share of ten neighbours that a half of a text has in common with the whole",
        "",
        "halves find the neighbours of the whole",
    ),
    SHAPE: ("closeness of halves and evenness of all texts", "", "meanings are told apart"),
}
#: Sentences that ask for a text, of three at most one: each costs little to read beside the text, and several say more.
MOST_OF_A_TEXT = 3
#: Words of a text that has halves to ask with.
SHORTEST_HALVED = 6


@dataclass(frozen=True, kw_only=True)
class Question:
    """``first[q]`` asks for ``second[asked[q]]`` among all of ``second``. of: the kind of text it was made of.

    NEIGHBOURS and SHAPE: first and second are the halves of the texts in ``whole``.
    """

    name: str
    of: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    whole: tuple[str, ...] = ()
    asked: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Rows that are asked for."""
        return len(set(self.rows_asked))

    @property
    def key(self) -> str:
        return f"{self.name} of {self.of}"

    @property
    def ranks(self) -> bool:
        """Whether it asks who is found first, as a search does."""
        return self.name in (TITLES, SENTENCES)

    @property
    def rows_asked(self) -> tuple[int, ...]:
        """The row that each of ``first`` asks for."""
        return self.asked or tuple(range(len(self.first)))


def questions_of(held_out: Texts, *, in_topics: bool) -> list[Question]:
    """The questions that held-out rows of one kind answer, the most telling first.

    Pairs are learned from as titles and texts, so that sentences have to judge them as well. Both ask for the same
    texts, which are what takes time to read.
    """
    questions = [] if held_out.kind == SHORT else _by_titles_and_sentences(held_out)
    questions = [each for each in questions if len(each) >= FEWEST_PAIRS]
    if not questions:
        questions = [_about_halves(held_out, in_topics=in_topics)]
    return [question for question in questions if len(question) >= FEWEST_PAIRS]


def _by_titles_and_sentences(held_out: Texts) -> list[Question]:
    sentences: list[str] = []
    asked: list[int] = []
    texts: list[str] = []
    for row, text in enumerate(body_of(held_out.columns)):
        cut, rest = sentences_and_rest(text, derive(row))
        sentences += cut
        asked += [row] * len(cut)
        texts.append(rest)
    of, second = held_out.kind, tuple(texts)
    by_sentences = Question(name=SENTENCES, of=of, first=tuple(sentences), second=second, asked=tuple(asked))
    if len(held_out.columns) < 2:
        return [by_sentences]
    titles = tuple(next(iter(held_out.columns.values())))
    return [Question(name=TITLES, of=of, first=titles, second=second), by_sentences]


def sentences_and_rest(text: str, seed: int) -> tuple[list[str], str]:
    """A third of a document's sentences at most, drawn by ``seed``, and the document without them; none of a text that
    has too few.

    >>> sentences_and_rest("First one is very short. The second one is long. The third ends it all.", 1)[1]
    'First one is very short. The third ends it all.'
    """
    parts, fit = sentences_that_ask(text)
    if not fit:
        return [], text
    most = min(MOST_OF_A_TEXT, len(parts) // MIN_SENTENCES)
    chosen = sorted(numpy_generator(seed, "sentences").permutation(fit)[:most].tolist())
    return [parts[at] for at in chosen], " ".join(part for at, part in enumerate(parts) if at not in chosen)


def _about_halves(held_out: Texts, *, in_topics: bool) -> Question:
    whole = [text for text in held_out.bodies if split_in_halves(text, min_words=SHORTEST_HALVED)]
    halves = [split_in_halves(text, min_words=SHORTEST_HALVED) or ("", "") for text in whole]
    return Question(
        name=NEIGHBOURS if in_topics else SHAPE,
        of=held_out.kind,
        first=tuple(first for first, _ in halves),
        second=tuple(second for _, second in halves),
        whole=tuple(whole),
    )
