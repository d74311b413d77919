"""Queries to rank by: those of a log, and salient spans of documents that have no title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from contrapose.adapt.texts import Texts
from contrapose.errors import UsageError
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.maths.similarity import unit
from contrapose.text.query_words import query_at, query_positions, without

#: Queries that are read of a log.
MOST_QUERIES = 2_000
#: Where so large a share of the queries are texts of the corpus, they are no queries.
COPIED = 0.5
#: Queries that are ranked together.
QUERIES_PER_BLOCK = 256

Encode = Callable[[Sequence[str]], Tensor]


def read_queries(path: str) -> list[str]:
    """The distinct lines of a file. Raises :class:`UsageError` where it is not there, or holds none."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UsageError(
            f"--queries {path} cannot be read ({reason}): give a text file with a query per line"
        ) from None
    queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not queries:
        raise UsageError(f"--queries {path} holds no query: give a text file with a query per line")
    return queries[:MOST_QUERIES]


def check_queries(queries: Sequence[str], texts: Sequence[str]) -> str:
    """Why these are no queries, in a sentence; "" where they are.

    >>> check_queries(["a b", "c"], ["a b", "c", "d"])
    'the queries are texts of the corpus themselves (2 of 2), so they ask for nothing, and are left aside'
    """
    known = set(texts)
    copied = sum(query in known for query in queries)
    if copied <= COPIED * len(queries):
        return ""
    return (
        f"the queries are texts of the corpus themselves ({copied} of {len(queries)}), so they ask for nothing, and "
        "are left aside"
    )


def span_pairs(documents: Texts, encode: Encode) -> Texts:
    """Each document with its most salient span as its query, and without it; those too short for one are left out."""
    bodies = documents.bodies
    spans_NW = query_positions("salient-span", bodies, encode, keep=1)[:, 0]
    pairs = [
        (query_at(body, span_W), without(body, span_W))
        for body, span_W in zip(bodies, spans_NW, strict=True)
        if span_W[0] >= 0
    ]
    columns = {"anchor": [query for query, _ in pairs], "positive": [rest for _, rest in pairs]}
    return Texts(kind=documents.kind, columns=columns, what=documents.what)


def with_answers(pairs: Texts, queries: Sequence[str], encode: Encode) -> Texts:
    """The pairs, and each query with the document that a search by words and meaning finds first for it."""
    if not queries:
        return pairs
    documents = list(dict.fromkeys(pairs.bodies))
    index, documents_ND = Bm25Index(documents), unit(encode(documents)).numpy()
    answers: list[str] = []
    for start in range(0, len(queries), QUERIES_PER_BLOCK):
        block = queries[start : start + QUERIES_PER_BLOCK]
        cosines_QN = unit(encode(block)).numpy() @ documents_ND.T
        best_Q = np.argmax(hybrid_scores(cosines_QN, index.scores(block)), axis=1)
        answers += [documents[best] for best in best_Q]
    columns = {
        "anchor": [*pairs.columns["anchor"], *queries],
        "positive": [*pairs.columns["positive"], *answers],
    }
    return Texts(kind=pairs.kind, columns=columns, what=pairs.what)
