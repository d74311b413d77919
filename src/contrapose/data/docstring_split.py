"""Harvested objects, parted into what is trained on and what is asked about later.

The side of an object is a hash of its name: no random numbers, so an object stays on its side whatever else is
harvested. A text often stands in several places (inherited and copied docstrings). Training therefore loses every
sentence that a held-out object also has, compared without case, spacing and closing punctuation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contrapose.data.harvest import Documented
from contrapose.data.text import normalise

#: One object in five is asked about. More would make the questions harder and leave less to train on.
HELD_OUT_SHARE = 0.2
#: Shortest texts, in words, that say enough to be found by, and to train on.
MIN_FIRST_LINE_WORDS = 3
MIN_DESCRIPTION_WORDS = 6
MIN_SENTENCE_WORDS = 4
#: Longer ones are lists that the sentence rules could not cut.
MAX_SENTENCE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the object whose docstring holds it first."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts about the object ``name``. As a question, ``anchor`` asks and ``positive`` answers."""

    anchor: str
    positive: str
    name: str


@dataclass(frozen=True, slots=True)
class Split:
    """Both sides of a harvest.

    sentences               to train on, each once
    pairs, name_pairs       to train on: first line with description; name with first line
    description_questions   pairs as in ``pairs``, of held-out objects
    name_questions          pairs as in ``name_pairs``, of held-out objects
    leaks                   sentences taken out of training because a held-out object has them too
    """

    sentences: tuple[Sentence, ...]
    pairs: tuple[Pair, ...]
    name_pairs: tuple[Pair, ...]
    description_questions: tuple[Pair, ...]
    name_questions: tuple[Pair, ...]
    training_objects: int
    held_out_objects: int
    leaks: int

    def library(self) -> list[Pair]:
        """Every public object's name with its first line, trained on or not, each line once, by name."""
        library: dict[str, Pair] = {}
        for pair in (*self.name_pairs, *self.name_questions):
            if not any(part.startswith("_") for part in pair.name.split(".")):
                library.setdefault(pair.positive, pair)
        return sorted(library.values(), key=lambda pair: pair.name)

    def lines(self) -> list[str]:
        """The counts in words."""
        return [
            f"{self.training_objects:,} objects to train on: {len(self.sentences):,} sentences, "
            f"{len(self.pairs):,} pairs (first line, rest of the description)",
            f"{self.held_out_objects:,} objects held out: {len(self.description_questions):,} questions "
            f"first line -> description, {len(self.name_questions):,} questions name -> first line",
            f"{self.leaks:,} sentences left out of training because a held-out object has them too",
        ]


def is_held_out(documented: Documented, share: float = HELD_OUT_SHARE) -> bool:
    """Whether the hash of an object's full name puts it among the held-out ones; about ``share`` of all objects."""
    key = f"{documented.module}:{documented.qualified_name}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") < share * 2**64


def split_documented(documented: Iterable[Documented], share: float = HELD_OUT_SHARE) -> Split:
    """Part harvested objects by :func:`is_held_out`, with no text on both sides.

    Raises ``ValueError`` for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"the held-out share is a part of one, not {share}")
    sides: dict[bool, list[Documented]] = {False: [], True: []}
    for each in documented:
        sides[is_held_out(each, share)].append(each)
    forbidden = {key_of(text) for each in sides[True] for text in (*texts_of(each), each.description)}
    training = [(each, _allowed(each, forbidden)) for each in sides[False]]
    return Split(
        sentences=_sentences(training),
        pairs=_description_pairs(training, forbidden),
        name_pairs=_name_pairs((each, kept) for each, kept in training if each.first_line in kept[:1]),
        description_questions=_description_pairs(((each, texts_of(each)) for each in sides[True]), set()),
        name_questions=_name_pairs((each, texts_of(each)) for each in sides[True]),
        training_objects=len(sides[False]),
        held_out_objects=len(sides[True]),
        leaks=sum(len(texts_of(each)) - len(kept) for each, kept in training),
    )


def key_of(text: str) -> str:
    """What two texts share when they differ in case, spacing or closing punctuation only.

    >>> key_of("Close  the File.") == key_of("close the file")
    True
    """
    return normalise(text).casefold().rstrip(" .!?:;,")


def texts_of(documented: Documented) -> tuple[str, ...]:
    """The first line and the sentences after it."""
    return (documented.first_line, *documented.rest)


def _allowed(documented: Documented, forbidden: set[str]) -> tuple[str, ...]:
    return tuple(text for text in texts_of(documented) if key_of(text) not in forbidden)


def _sentences(training: Iterable[tuple[Documented, Sequence[str]]]) -> tuple[Sentence, ...]:
    sentences: dict[str, Sentence] = {}
    for each, kept in training:
        for text in kept:
            if _has_words(text, MIN_SENTENCE_WORDS) and len(text) <= MAX_SENTENCE_CHARACTERS:
                sentences.setdefault(key_of(text), Sentence(text, each.full_name))
    return tuple(sentences.values())


def _description_pairs(
    sources: Iterable[tuple[Documented, Sequence[str]]], forbidden: set[str]
) -> tuple[Pair, ...]:
    """(first line, rest) of each object that still has its first line, where both say enough."""
    return _distinct(
        Pair(each.first_line, " ".join(kept[1:]), each.full_name)
        for each, kept in sources
        if each.first_line in kept[:1]
        and key_of(" ".join(kept[1:])) not in forbidden
        and _has_words(each.first_line, MIN_FIRST_LINE_WORDS)
        and _has_words(" ".join(kept[1:]), MIN_DESCRIPTION_WORDS)
    )


def _name_pairs(sources: Iterable[tuple[Documented, Sequence[str]]]) -> tuple[Pair, ...]:
    """(name in words, first line). Special methods are named by Python, not after what they do: they are left out."""
    return _distinct(
        Pair(each.name_words, each.first_line, each.full_name)
        for each, _ in sources
        if each.name_words
        and not each.qualified_name.endswith("__")
        and _has_words(each.first_line, MIN_FIRST_LINE_WORDS)
    )


def _distinct(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    distinct: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        distinct.setdefault((key_of(pair.anchor), key_of(pair.positive)), pair)
    return tuple(distinct.values())


def _has_words(text: str, least: int) -> bool:
    return sum(any(letter.isalpha() for letter in word) for word in text.split()) >= least
