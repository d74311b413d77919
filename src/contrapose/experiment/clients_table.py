"""Who the clients of a federated run were: rows, rounds, topics, and the words that tell each from the others."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.protocols.clients import heterogeneity, topic_counts
from contrapose.protocols.federated import Federated
from contrapose.train.corpus_copy import corpus_copy_of

if TYPE_CHECKING:
    from contrapose.train.api import Run

#: Texts of a client that its words are looked for in.
TEXTS_PER_CLIENT = 2_000
WORDS_SHOWN = 4
#: Letters of the shortest word that is shown.
SHORTEST_WORD = 4
#: A topic is named for a client where it holds so large a part of its rows.
LARGE_TOPIC = 0.2
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, kw_only=True)
class ClientSummary:
    """rounds: in which it trained; topics: share of its rows in each topic; words: by which it differs."""

    client: int
    rows: int
    share: float
    rounds: int
    topics: tuple[float, ...]
    words: tuple[str, ...]

    @property
    def main_topics(self) -> str:
        """Its large topics, largest first."""
        large = sorted((topic for topic, share in enumerate(self.topics) if share >= LARGE_TOPIC),
                       key=lambda topic: -self.topics[topic])  # fmt: skip
        return ", ".join(f"{topic} ({self.topics[topic]:.0%})" for topic in large) or "none above 20 %"


@dataclass(frozen=True, kw_only=True)
class FederationSummary:
    """heterogeneity: see :func:`contrapose.protocols.clients.heterogeneity`."""

    clients: tuple[ClientSummary, ...]
    heterogeneity: float


def summary_of(run: Run, protocol: Federated, *, seed: int, rounds: int) -> FederationSummary:
    """Read from the folder of a federated run; nothing is encoded again."""
    prepared = run.folder / "cache" / "protocol" / Federated.name
    client_N, topic_N, row_N = (_array(prepared, name) for name in ("client", "topic", "row"))
    protocol.seed = seed
    turns = Counter(client for number in range(rounds) for client in protocol.clients_in(number))
    counts_CK = topic_counts(topic_N, client_N)
    corpus = Corpus.open(corpus_copy_of(run.folder))
    texts = [_texts(corpus, row_N[client_N == client]) for client in range(len(counts_CK))]
    words = distinctive_words(texts)
    return FederationSummary(
        heterogeneity=heterogeneity(topic_N, client_N),
        clients=tuple(
            ClientSummary(
                client=client,
                rows=int(counts_K.sum()),
                share=float(counts_K.sum() / len(row_N)),
                rounds=turns[client],
                topics=tuple((counts_K / counts_K.sum()).tolist()),
                words=words[client],
            )
            for client, counts_K in enumerate(counts_CK)
        ),
    )


def distinctive_words(texts_of: Sequence[Iterable[str]], shown: int = WORDS_SHOWN) -> list[tuple[str, ...]]:
    """For each group of texts, the words that lie in more of its texts than in those of the others.

        z = ( log-odds in the group - log-odds in the others ) / sqrt( 1 / n + 1 / m )      n, m: texts with the word

    which prefers neither rare words nor those that all use (Monroe, Colaresi, Quinn 2008, "Fightin' Words").

    >>> distinctive_words([["the yellow bird", "one bird sings"], ["the river flows", "deep river"]], 1)
    [('bird',), ('river',)]
    """
    counts = [Counter[str]() for _ in texts_of]
    sizes = [0] * len(counts)
    for number, texts in enumerate(texts_of):
        for text in texts:
            counts[number].update(
                {word for word in _WORD.findall(text.lower()) if len(word) >= SHORTEST_WORD}
            )
            sizes[number] += 1
    total, everywhere = sum(sizes), sum(counts, Counter[str]())
    chosen = []
    for own, size in zip(counts, sizes, strict=True):
        scored = {
            word: _z_score(count, size, everywhere[word] - count, total - size) for word, count in own.items()
        }
        best = sorted(scored, key=lambda word: (-scored[word], word))[:shown]
        chosen.append(tuple(word for word in best if scored[word] > 0))
    return chosen


def _z_score(count: int, size: int, others: int, other_size: int) -> float:
    def log_odds(with_word: int, all_texts: int) -> float:
        return math.log((with_word + 0.5) / (all_texts - with_word + 0.5))

    spread = math.sqrt(1 / (count + 0.5) + 1 / (others + 0.5))
    return (log_odds(count, size) - log_odds(others, other_size)) / spread


def _texts(corpus: Corpus, rows: np.ndarray) -> list[str]:
    """The first column of evenly spaced rows, at most :data:`TEXTS_PER_CLIENT`."""
    step = max(1, -(-len(rows) // TEXTS_PER_CLIENT))
    first, *_ = corpus.take(rows[::step]).values()
    return list(first)


def _array(folder: Path, name: str) -> np.ndarray:
    array: np.ndarray = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")
    return array
