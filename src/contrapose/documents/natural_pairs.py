"""Texts that belong together because a person wrote them so: no label, and no guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from contrapose.documents.document import Document

#: Kind of a pair -> what its two texts are.
PAIR_KINDS = {
    "answer": "a question and its answer, a mail and the reply to it",
    "title": "the title of a text and how it begins",
    "heading": "title and heading of a section, and how the section begins",
    "neighbours": "two paragraphs that follow each other in a section",
}
#: Words below which a text says too little: a title and heading; a paragraph.
TITLE_WORDS, PARAGRAPH_WORDS = 2, 8
#: Characters kept of a text: more is not read by an encoder.
CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class NaturalPair:
    """Two texts that belong together; ``name`` says where they stand."""

    kind: str
    anchor: str
    positive: str
    name: str


def natural_pairs(documents: Iterable[Document]) -> Iterator[NaturalPair]:
    """The pairs of each document, in the order of :data:`PAIR_KINDS`; equal pairs once.

    >>> from contrapose.documents.document import Document, Section
    >>> text = "The night train to the coast leaves at ten from track four."
    >>> page = Document("Night trains", (Section("To the coast", (text,)),), "a.md")
    >>> [(pair.kind, pair.anchor) for pair in natural_pairs([page])]
    [('title', 'Night trains'), ('heading', 'Night trains: To the coast')]
    """
    seen: set[tuple[str, str]] = set()
    for document in documents:
        for pair in _pairs(document):
            texts = (pair.anchor, pair.positive)
            if texts not in seen and pair.anchor.casefold() != pair.positive.casefold():
                seen.add(texts)
                yield pair


def _pairs(document: Document) -> Iterator[NaturalPair]:
    def pair(kind: str, anchor: str, positive: str) -> NaturalPair:
        return NaturalPair(kind, anchor[:CHARACTERS], positive, document.source)

    begins = _beginning(document.paragraphs)
    if document.asks and begins and says(document.asks, TITLE_WORDS):
        yield pair("answer", document.asks, begins)
    if begins and says(document.title, TITLE_WORDS):
        yield pair("title", document.title, begins)
    for section in document.sections:
        whole = ": ".join(filter(None, (document.title, section.heading)))
        if section.heading and says(whole, TITLE_WORDS) and (text := _beginning(section.paragraphs)):
            yield pair("heading", whole, text)
    for section in document.sections:
        for first, second in pairwise(section.paragraphs):
            if says(first, PARAGRAPH_WORDS) and says(second, PARAGRAPH_WORDS):
                yield pair("neighbours", first, second[:CHARACTERS])


def _beginning(paragraphs: Iterable[str]) -> str:
    """The first paragraphs as one text; '' where they say too little."""
    text = " ".join(paragraphs)[:CHARACTERS]
    return text if says(text, PARAGRAPH_WORDS) else ""


def says(text: str, words: int) -> bool:
    """Whether a text has so many words; a script without blanks has a letter for a word, about."""
    return len(text.split()) >= words or (not text.isascii() and len(text) >= 3 * words)
