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
        collapsed = is_one_point(unit_rows(documents_MD))
        return [
            self._result(name, np.array(found), encodings.model, collapsed) for name, found in values.items()
        ]

    def _result(self, metric: str, per_query_N: np.ndarray, model: str, collapsed: bool) -> Result:
        evidence = Evidence("mean", per_query_N)
        interval = evidence.interval()
        details: dict[str, Any] = {
            "documents": len(self.data.documents),
            "data_fingerprint": self.data.fingerprint,
            "definition": DEFINITIONS[metric],
            **({"collapsed": True} if collapsed else {"interval": [interval.low, interval.high]}),
        }
        return Result(
            task=self.name,
            metric=metric,
            value=float("nan") if collapsed else interval.estimate,
            protocol=PROTOCOL,
            rows=len(per_query_N),
            model=model,
            split=self.data.split,
            text=text_form(list(self.data.queries.values())),
            details=details,
            evidence=None if collapsed else evidence,
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

    own_ids: of each query the id that is left out of its list. Exact, in blocks of queries.
    """
    queries_ND, documents_MD = unit_rows(queries_ND), unit_rows(documents_MD)
    # trec_eval's order of equals. Searching in that order makes a stable sort keep it.
    order = np.array(sorted(range(len(ids)), key=lambda row: ids[row], reverse=True))
    place = {ids[row]: position for position, row in enumerate(order)}
    sorted_MD = documents_MD[order]
    keep = min(depth + 1, len(ids))
    found = []
    block = max(1, CELLS // max(1, len(ids)))
    for start in range(0, len(queries_ND), block):
        cosine = queries_ND[start : start + block] @ sorted_MD.T
        for row, own in zip(cosine, own_ids[start : start + block] or [""] * len(cosine), strict=True):
            if own in place:
                row[place[own]] = -np.inf
            # Everything at or above the last kept value, so that ties at the edge are cut by id, not by chance.
            edge = np.partition(row, -keep)[-keep]
            candidates = np.flatnonzero(row >= edge)
            best = candidates[np.argsort(-row[candidates], kind="stable")]
            found.append(order[best[row[best] > -np.inf][:depth]])
    return found
