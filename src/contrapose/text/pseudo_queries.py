"""A query that the document itself holds, such as its most salient span; the positive is the document, mostly without
it.

    anchor     one of ``queries_kept`` queries of the document, drawn at every step: its most salient spans, its first
               sentence, or draws of rare words (``query_words``; text/query_words.py)
    positive   the document without that query; with it in one of 1 / (1 - query_dropped) steps

Where the query stayed in, an encoder would learn to find words again; where it is always gone, it would never see a
query whose words the document has. A text too short for queries is its own query, under another dropout mask.

Meng et al. 2023 (AugTriever), https://arxiv.org/abs/2212.08841; dropping most but not all: Lee, Chang and Toutanova
2019, "Latent Retrieval for Weakly Supervised Open Domain Question Answering" (the inverse cloze task), ACL;
https://arxiv.org/abs/1906.00300
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field
from torch import Tensor

from contrapose.contract import TextPart, TextRows
from contrapose.seeds import numpy_generator
from contrapose.text.query_words import QueryWords, query_at, query_positions, without


class PseudoQueries(TextPart):
    """Gives a query of the row's document as anchor, and the document as positive."""

    name = "pseudo-queries"
    idea = "Words of a document, such as its most salient span, ask for the document, mostly without them."
    needs_dropout = True  # of texts too short for queries
    advice = (
        "Words of a text are no questions: natural pairs teach more where the text has some (contrapose harvest "
        "documents); try a lower --learning-rate or fewer --steps, and judge with labels (--dev-data, contrapose "
        "evaluate)."
    )

    def __init__(
        self,
        *,
        query_words: Annotated[
            QueryWords, Field(description="what a query is: a salient span, the first sentence, rare words")
        ] = "salient-span",
        queries_kept: Annotated[
            int,
            Field(
                ge=1,
                le=16,
                description="queries of a document that are made, and drawn from; one first sentence",
            ),
        ] = 2,
        query_dropped: Annotated[
            float,
            Field(ge=0, le=1, description="share of the steps in which the query is cut out of its document"),
        ] = 0.9,
    ) -> None:
        self.kind, self.num_kept, self.dropped = query_words, queries_kept, query_dropped

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> dict[str, np.ndarray]:
        """``queries`` (N, K, W): positions of their words, -1 where there are no more."""
        (documents,) = corpus.take(rows_N).values()
        return {"queries": query_positions(self.kind, documents, encode, self.num_kept)}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.rows_N, self.queries_NKW = rows_N, prepared["queries"]

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (documents,) = columns.values()
        queries_BKW = np.asarray(self.queries_NKW[np.searchsorted(self.rows_N, rows)])
        num_B = (queries_BKW[:, :, 0] >= 0).sum(1)
        draw_B2 = numpy_generator(seed, "pseudo queries", step).random((len(documents), 2))
        chosen_B = (draw_B2[:, 0] * num_B).astype(int)
        anchors, positives = [], []
        for row, document in enumerate(documents):
            query_W = queries_BKW[row, chosen_B[row]]
            anchors.append(query_at(document, query_W) if num_B[row] else document)
            positives.append(without(document, query_W) if draw_B2[row, 1] < self.dropped else document)
        return {"anchor": anchors, "positive": positives}

    def facts(self) -> list[str]:
        having = float((np.asarray(self.queries_NKW)[:, 0, 0] >= 0).mean()) if len(self.queries_NKW) else 0.0
        rest = "" if having == 1 else "; the others are too short, and are their own queries"
        return [f"{having:.0%} of the documents have words that ask for them ({self.kind}){rest}"]


TEXT_PART = PseudoQueries
