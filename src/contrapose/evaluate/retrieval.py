"""Retrieval: every document is ranked for every query by cosine, exactly; nDCG@10, MRR@10, recall@100.

Where it is asked for, by words as well, and by both together: what a search for words brings beside the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contrapose.evaluate.beir import RetrievalData, is_beir, read_beir
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.metrics import ndcg, recall, reciprocal_rank_of
from contrapose.evaluate.per_example import PerExampleScores
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import text_form
from contrapose.evaluate.task import DatasetSource, OnData, Protocols, with_subfolders
from contrapose.evaluate.vectors import all_cosines, is_one_point, unit_rows
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores

PROTOCOL = "beir"
#: Documents kept per query: what the deepest cut-off needs.
DEPTH = 100

DEFINITIONS = {
    "ndcg@10": "normalised discounted cumulative gain x 100 of the first 10, linear gain, as trec_eval",
    "mrr@10": "mean over queries of 100 / rank of the first relevant document, 0 beyond rank 10",
    "recall@100": "share x 100 of the relevant documents that are among the first 100",
}
#: What stands before the metric of another ranking -> what is ranked by.
RANKED_BY = {
    "hybrid-": "cosine and BM25, standardised per query and summed",
    "bm25-": "BM25 alone: no encoder takes part",
}
#: Cells of a table of scores that are held at a time.
CELLS = 16_000_000


@dataclass(frozen=True, kw_only=True)
class RetrievalTask(OnData):
    """One retrieval set. hybrid: documents are ranked by words as well, and by both."""

    data: RetrievalData
    hybrid: bool = False

    def score(self, encodings: Encodings) -> list[Result]:
        """Three results for every ranking, each with its interval over queries."""
        data = self.data
        documents_MD = encodings.of(list(data.documents.values()))
        queries_ND = encodings.of(list(data.queries.values()))
        if is_one_point(unit_rows(documents_MD)):  # all documents are as near: nothing to rank
            return [self._result(name, encodings.model) for name in DEFINITIONS]
        ids = list(data.documents)
        ranked = top_documents(queries_ND, documents_MD, ids, own_ids=list(data.queries), depth=DEPTH)
        results = self._results("", ranked, encodings.model)
        if self.hybrid:
            for name, others in rankings_with_words(data, queries_ND, documents_MD).items():
                results += self._results(name, others, encodings.model)
        return results

    def _results(self, ranking: str, ranked: Sequence[np.ndarray], model: str) -> list[Result]:
        """The metrics of a ranking: of every query the rows of its documents, best first."""
        ids = list(self.data.documents)
        values: dict[str, list[float]] = {name: [] for name in DEFINITIONS}
        for query, documents in zip(self.data.queries, ranked, strict=True):
            gains = self.data.gains[query]
            of_ranked = np.array([gains.get(ids[document], 0) for document in documents])
            judged = np.array(list(gains.values()))
            values["ndcg@10"].append(ndcg(of_ranked, judged, 10))
            values["mrr@10"].append(reciprocal_rank_of(of_ranked, 10))
            values["recall@100"].append(recall(of_ranked, judged, 100))
        return [
            self._result(name, model, PerExampleScores("mean", np.array(of_queries)), ranking)
            for name, of_queries in values.items()
        ]

    def _result(
        self, metric: str, model: str, scores: PerExampleScores | None = None, ranking: str = ""
    ) -> Result:
        details: dict[str, Any] = {
            "documents": len(self.data.documents),
            "data_fingerprint": self.data.fingerprint,
            "definition": DEFINITIONS[metric],
        }
        if ranking:
            details["ranked by"] = RANKED_BY[ranking]
        if scores is None:
            details["collapsed"] = True
        return Result.of_scores(
            scores,
            task=self.name,
            metric=f"{ranking}{metric}",
            protocol=PROTOCOL,
            rows=len(self.data.queries),
            model=model,
            split=self.data.split,
            text=text_form(list(self.data.queries.values())),
            details=details,
        )


def top_documents(
    queries_ND: np.ndarray,
    documents_MD: np.ndarray,
    ids: Sequence[str],
    *,
    own_ids: Sequence[str] = (),
    depth: int = DEPTH,
) -> list[np.ndarray]:
    """For each query the rows of its ``depth`` nearest documents, nearest first; equal cosines by falling id.

    own_ids: of each query the id that is left out of its list. Cosines of vectors in fp32 are compared in fp32, as
    trec_eval does. Its order of equals is not that of :mod:`contrapose.maths.nearest`, so documents are sorted for it.

    >>> top_documents(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), ["a", "b", "c"])[0].tolist()
    [1, 0, 2]
    """
    from contrapose.maths.nearest import nearest

    by_falling_id = np.array(sorted(range(len(ids)), key=lambda row: ids[row], reverse=True))
    number = {ids[row]: position for position, row in enumerate(by_falling_id)}
    near = nearest(
        unit_rows(queries_ND),
        unit_rows(documents_MD)[by_falling_id],
        depth,
        measure="unit",
        query_keys_Q=np.array([number.get(own, -1) for own in own_ids or [""] * len(queries_ND)]),
        row_keys_N=np.arange(len(ids)),
    )
    return [by_falling_id[rows[rows >= 0]] for rows in near.rows_QK]


def rankings_with_words(
    data: RetrievalData, queries_ND: np.ndarray, documents_MD: np.ndarray
) -> dict[str, list[np.ndarray]]:
    """What stands before the metric of a ranking -> of each query the rows of its first documents, as above."""
    ids, asked = list(data.documents), list(data.queries)
    index = Bm25Index(list(data.documents.values()))
    rankings: dict[str, list[np.ndarray]] = {name: [] for name in RANKED_BY}
    size = max(1, CELLS // len(ids))
    for start in range(0, len(asked), size):
        block = slice(start, start + size)
        bm25_QM = index.scores([data.queries[query] for query in asked[block]])
        summed_QM = hybrid_scores(all_cosines(queries_ND[block], documents_MD), bm25_QM)
        for name, scores_QM in zip(RANKED_BY, (summed_QM, bm25_QM), strict=True):
            rankings[name] += ranked_by_score(scores_QM, ids, own_ids=asked[block])
    return rankings


def ranked_by_score(
    scores_QM: np.ndarray, ids: Sequence[str], *, own_ids: Sequence[str] = (), depth: int = DEPTH
) -> list[np.ndarray]:
    """As :func:`top_documents`, of any scores (Q, M), compared in fp32.

    >>> ranked_by_score(np.array([[0.5, 0.5, 0.9]]), ["a", "b", "c"], own_ids=["c"])[0].tolist()
    [1, 0]
    """
    by_falling_id = np.array(sorted(range(len(ids)), key=lambda row: ids[row], reverse=True))
    row_of = {name: row for row, name in enumerate(ids)}
    order_QM = np.argsort(-scores_QM[:, by_falling_id].astype(np.float32), axis=1, kind="stable")
    best = by_falling_id[order_QM[:, : depth + 1]]
    own = [row_of.get(name, -1) for name in own_ids or [""] * len(best)]
    return [rows[rows != left_out][:depth] for rows, left_out in zip(best, own, strict=True)]


def source_of(folder: Path) -> DatasetSource:
    """A folder in BEIR's layout."""
    splits = tuple(sorted(path.stem for path in folder.glob("qrels/*.tsv")))

    def read(split: str, protocols: Protocols) -> RetrievalTask:
        return RetrievalTask(data=read_beir(folder, split), hybrid=protocols.hybrid)

    return DatasetSource(task=folder.name, group="retrieval", splits=splits, where=folder, read=read)


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The retrieval sets in a folder."""
    yield from (source_of(each) for each in with_subfolders(folder) if is_beir(each))
