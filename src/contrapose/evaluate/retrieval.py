"""Retrieval: every document is ranked for every query by cosine, exactly; nDCG@10, MRR@10, recall@100."""

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
from contrapose.evaluate.vectors import is_one_point, unit_rows

PROTOCOL = "beir"
#: Documents kept per query: what the deepest cut-off needs.
DEPTH = 100

DEFINITIONS = {
    "ndcg@10": "normalised discounted cumulative gain x 100 of the first 10, linear gain, as trec_eval",
    "mrr@10": "mean over queries of 100 / rank of the first relevant document, 0 beyond rank 10",
    "recall@100": "share x 100 of the relevant documents that are among the first 100",
}


@dataclass(frozen=True, kw_only=True)
class RetrievalTask(OnData):
    """One retrieval set."""

    data: RetrievalData

    def score(self, encodings: Encodings) -> list[Result]:
        """Three results, each with its interval over queries."""
        data = self.data
        documents_MD = encodings.of(list(data.documents.values()))
        queries_ND = encodings.of(list(data.queries.values()))
        if is_one_point(unit_rows(documents_MD)):  # all documents are as near: nothing to rank
            return [self._result(name, encodings.model) for name in DEFINITIONS]
        ids = list(data.documents)
        ranked = top_documents(queries_ND, documents_MD, ids, own_ids=list(data.queries), depth=DEPTH)
        values: dict[str, list[float]] = {name: [] for name in DEFINITIONS}
        for query, documents in zip(data.queries, ranked, strict=True):
            gains = data.gains[query]
            of_ranked = np.array([gains.get(ids[document], 0) for document in documents])
            judged = np.array(list(gains.values()))
            values["ndcg@10"].append(ndcg(of_ranked, judged, 10))
            values["mrr@10"].append(reciprocal_rank_of(of_ranked, 10))
            values["recall@100"].append(recall(of_ranked, judged, 100))
        return [
            self._result(name, encodings.model, PerExampleScores("mean", np.array(of_queries)))
            for name, of_queries in values.items()
        ]

    def _result(self, metric: str, model: str, scores: PerExampleScores | None = None) -> Result:
        details: dict[str, Any] = {
            "documents": len(self.data.documents),
            "data_fingerprint": self.data.fingerprint,
            "definition": DEFINITIONS[metric],
        }
        if scores is None:
            details["collapsed"] = True
        return Result.of_scores(
            scores,
            task=self.name,
            metric=metric,
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


def source_of(folder: Path) -> DatasetSource:
    """A folder in BEIR's layout."""
    splits = tuple(sorted(path.stem for path in folder.glob("qrels/*.tsv")))

    def read(split: str, protocols: Protocols) -> RetrievalTask:
        return RetrievalTask(data=read_beir(folder, split))

    return DatasetSource(task=folder.name, group="retrieval", splits=splits, where=folder, read=read)


def sources(folder: Path, split: str) -> Iterator[DatasetSource]:
    """The retrieval sets in a folder."""
    yield from (source_of(each) for each in with_subfolders(folder) if is_beir(each))
