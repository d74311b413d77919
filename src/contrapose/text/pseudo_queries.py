"""A query that the document itself holds: its most salient span; the positive is the document, mostly without it.

    anchor     one of the ``spans_kept`` most salient spans of the document, drawn at every step (text/salient.py)
    positive   the document without that span; with it in one of 1 / (1 - query_dropped) steps

Where the span stayed in, an encoder would learn to find words again; where it is always gone, it would never see a
query whose words the document has. A text too short for spans is its own query, under another dropout mask.

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
from contrapose.text.salient import salient_spans, without_span


class PseudoQueries(TextPart):
    """Gives a span of the row's document as anchor, and the document as positive."""

    name = "pseudo-queries"
    idea = "The most salient span of a document asks for the document, mostly without it."
    needs_dropout = True  # of texts too short for spans
    advice = (
        "Spans are no questions: natural pairs teach more where the text has some (contrapose harvest documents); "
        "try a "
        "lower --learning-rate or fewer --steps, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def __init__(
        self,
        *,
        spans_kept: Annotated[
            int,
            Field(ge=1, le=16, description="most salient spans of a document, from which its query is drawn"),
        ] = 2,
        query_dropped: Annotated[
            float,
            Field(ge=0, le=1, description="share of the steps in which the query is cut out of its document"),
        ] = 0.9,
    ) -> None:
        self.num_kept, self.dropped = spans_kept, query_dropped

    def prepare(
        self, corpus: TextRows, rows_N: np.ndarray, encode: Callable[[Sequence[str]], Tensor]
    ) -> dict[str, np.ndarray]:
        """``spans`` (N, K, 2): first word and one behind the last; (0, 0) where there are no more."""
        (documents,) = corpus.take(rows_N).values()
        return {"spans": salient_spans(documents, encode, self.num_kept)}

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.rows_N, self.spans_NK2 = rows_N, prepared["spans"]

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (documents,) = columns.values()
        spans_BK2 = np.asarray(self.spans_NK2[np.searchsorted(self.rows_N, rows)])
        num_B = (spans_BK2[:, :, 1] > 0).sum(1)
        draw_B2 = numpy_generator(seed, "pseudo queries", step).random((len(documents), 2))
        chosen_B = (draw_B2[:, 0] * num_B).astype(int)
        anchors, positives = [], []
        for row, document in enumerate(documents):
            first, end = spans_BK2[row, chosen_B[row]]
            anchors.append(" ".join(document.split()[first:end]) if end else document)
            positives.append(
                without_span(document, first, end) if draw_B2[row, 1] < self.dropped else document
            )
        return {"anchor": anchors, "positive": positives}

    def facts(self) -> list[str]:
        having = float((np.asarray(self.spans_NK2)[:, 0, 1] > 0).mean()) if len(self.spans_NK2) else 0.0
        rest = "" if having == 1 else "; the others are too short, and are their own queries"
        return [f"{having:.0%} of the documents have salient spans that ask for them{rest}"]


TEXT_PART = PseudoQueries
