"""Label-free questions about an encoder, made from the user's own text: which two texts belong together?

    titles      the first column to the second, where the text has two columns
    sentences   one sentence of a document to the rest of it, where documents have three sentences or more
    halves      the first half of a text's words to the second, where texts have eight words or more

Each asks what a user will ask: find what belongs to this. Words differ between the two sides, so meaning has to do the
work. How far each tells help from harm was measured over labelled domains, see the study `selection`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contrapose.seeds import derive, numpy_generator
from contrapose.text.sentences import sentences_of

#: Rows with fewer words have halves too short to mean anything.
MIN_WORDS = 8
#: A document has at least so many sentences, each of so many words.
MIN_SENTENCES, MIN_SENTENCE_WORDS = 3, 5
#: With fewer pairs a probe is mostly noise.
FEWEST_PAIRS = 32
KINDS = ("titles", "sentences", "halves")


@dataclass(frozen=True)
class Probe:
    """``first[i]`` belongs to ``second[i]``."""

    kind: str
    first: tuple[str, ...]
    second: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)


def probes_of(columns: Mapping[str, Sequence[str]], seed: int = 0) -> list[Probe]:
    """Every probe that the rows give enough pairs for, best known first: titles, sentences, halves.

    columns: name -> texts; with two columns or more, the first is the title (or question) of the second.

    >>> [probe.kind for probe in probes_of({"text": ["one two three four five six seven eight"] * 40})]
    ['halves']
    """
    texts = list(columns.values())
    probes = []
    if len(texts) > 1:
        probes.append(Probe("titles", tuple(texts[0]), tuple(texts[1])))
    for kind, split in (("sentences", sentence_and_rest), ("halves", _halves)):
        pairs = [
            pair
            for row, text in enumerate(body_of(columns))
            if (pair := split(text, derive(seed, row))) is not None
        ]
        probes.append(Probe(kind, tuple(first for first, _ in pairs), tuple(second for _, second in pairs)))
    return [probe for probe in probes if len(probe) >= FEWEST_PAIRS]


def body_of(columns: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The texts themselves: the second column, since the first is their title, or the only one. Further ones are not.

    >>> body_of({"anchor": ["title"], "positive": ["text"], "negative": ["another text"]})
    ['text']
    """
    return list(columns.values())[min(1, len(columns) - 1)]


def sentence_and_rest(text: str, seed: int) -> tuple[str, str] | None:
    """One sentence of a document, drawn by ``seed``, and the document without it; None for no document.

    >>> sentence_and_rest("First one is very short. The second one is long. The third ends it all.", 1) is None
    False
    """
    parts, fit = sentences_that_ask(text)
    if not fit:
        return None
    chosen = fit[int(numpy_generator(seed, "probe").integers(len(fit)))]
    return parts[chosen], " ".join(part for row, part in enumerate(parts) if row != chosen)


def sentences_that_ask(text: str) -> tuple[list[str], list[int]]:
    """The sentences of a document, and which of them are long enough to ask for it; none of too short a document.

    >>> sentences_that_ask("First one is very short. No. The third ends it all.")[1]
    [0, 2]
    """
    parts = sentences_of(text)
    fit = [row for row, part in enumerate(parts) if len(part.split()) >= MIN_SENTENCE_WORDS]
    return parts, fit if len(parts) >= MIN_SENTENCES else []


def split_in_halves(text: str, *, min_words: int = MIN_WORDS) -> tuple[str, str] | None:
    """The first and the second half of the words, or None for a row of fewer than ``min_words``.

    >>> split_in_halves("one two three four five six seven eight nine")
    ('one two three four', 'five six seven eight nine')
    >>> split_in_halves("too short")
    """
    words = text.split()
    if len(words) < max(2, min_words):
        return None
    middle = len(words) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _halves(text: str, seed: int) -> tuple[str, str] | None:
    return split_in_halves(text)
