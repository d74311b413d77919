"""Retrieval: every document is ranked for every query by cosine, exactly; nDCG@10, MRR@10, recall@100."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contrapose.evaluate.beir import RetrievalData
from contrapose.evaluate.encoding import Encodings
from contrapose.evaluate.evidence import Evidence
from contrapose.evaluate.metrics import ndcg, recall, reciprocal_rank_of
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import text_form
from contrapose.evaluate.task import OnData
from contrapose.evaluate.vectors import is_one_point, unit_rows

PROTOCOL = "beir"
#: Documents kept per query: what the deepest cut-off needs.
DEPTH = 100
#: Cells of the cosine table held at once: 32 MB in fp32.
CELLS = 8_000_000
#: More than a product of unit vectors in fp32 is wrong by, so that the true first ones are among the candidates.
ROUNDING = 1e-5

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
        for query, found in zip(data.queries, ranked, strict=True):
            gains = data.gains[query]
            of_found = np.array([gains.get(ids[document], 0) for document in found])
            judged = np.array(list(gains.values()))
            values["ndcg@10"].append(ndcg(of_found, judged, 10))
            values["mrr@10"].append(reciprocal_rank_of(of_found, 10))
            values["recall@100"].append(recall(of_found, judged, 100))
        return [
            self._result(name, encodings.model, Evidence("mean", np.array(found)))
            for name, found in values.items()
        ]

    def _result(self, metric: str, model: str, evidence: Evidence | None = None) -> Result:
        details: dict[str, Any] = {
            "documents": len(self.data.documents),
            "data_fingerprint": self.data.fingerprint,
            "definition": DEFINITIONS[metric],
        }
        if evidence is None:
            details["collapsed"] = True
        else:
            interval = evidence.interval()
            details["interval"] = [interval.low, interval.high]
        return Result(
            task=self.name,
            metric=metric,
            value=float("nan") if evidence is None else evidence.value(),
            protocol=PROTOCOL,
            rows=len(self.data.queries),
            model=model,
            split=self.data.split,
            text=text_form(list(self.data.queries.values())),
            details=details,
            evidence=evidence,
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

    own_ids: of each query the id that is left out of its list. Exact, in blocks of queries. A matrix product rounds a
    cosine by its place in the table, so that equal documents would be ranked by chance: it only finds candidates, whose
    cosines are computed again, in fp64, and compared in fp32, as trec_eval does.

    >>> top_documents(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), ["a", "b", "c"])[0].tolist()
    [1, 0, 2]
    """
    queries_ND, documents_MD = unit_rows(queries_ND), unit_rows(documents_MD)
    # trec_eval's order of equals. Searching in that order makes a stable sort keep it.
    order = np.array(sorted(range(len(ids)), key=lambda row: ids[row], reverse=True))
    place = {ids[row]: position for position, row in enumerate(order)}
    sorted_MD = documents_MD[order]
    keep = min(depth + 1, len(ids))  # one more: the query's own document may be among them
    found = []
    block = max(1, CELLS // max(1, len(ids)))
    for start in range(0, len(queries_ND), block):
        cosine = products(queries_ND[start : start + block], sorted_MD)
        owns = own_ids[start : start + block] or [""] * len(cosine)
        for query_D, row, own in zip(queries_ND[start : start + block], cosine, owns, strict=True):
            # Everything that may reach the last kept value, so that ties at the edge are cut by id, not by chance.
            edge = np.partition(row, -keep)[-keep]
            candidates = np.flatnonzero(row >= edge - ROUNDING)
            candidates = candidates[candidates != place.get(own, -1)]
            again = (sorted_MD[candidates].astype(np.float64) * query_D).sum(axis=1).astype(np.float32)
            found.append(order[candidates[np.argsort(-again, kind="stable")][:depth]])
    return found


def products(queries_ND: np.ndarray, documents_MD: np.ndarray) -> np.ndarray:
    """All dot products, by the machine's matrix product: how it rounds a cell is the machine's own affair."""
    table_NM: np.ndarray = queries_ND @ documents_MD.T
    return table_NM
