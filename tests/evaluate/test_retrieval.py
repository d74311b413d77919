from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contrapose.errors import UsageError
from contrapose.evaluate.beir import read_beir
from contrapose.evaluate.retrieval import DEFINITIONS, top_documents
from contrapose.evaluate.suite import evaluate
from contrapose.evaluate.vectors import unit_rows
from contrapose.lexical.bm25 import Bm25Index
from contrapose.maths import nearest
from tests.evaluate.fakes import FakeEncoder
from tests.evaluate.folders import write_beir


def in_loops(queries_ND: np.ndarray, documents_MD: np.ndarray, ids: list[str], depth: int) -> list[list[int]]:
    """The definition: cosine in fp64, compared in fp32, of equals the greater id first."""
    found = []
    for query_D in queries_ND.astype(np.float64):
        keys = []
        for row, document_D in enumerate(documents_MD.astype(np.float64)):
            lengths = np.linalg.norm(query_D) * np.linalg.norm(document_D)
            keys.append((np.float32(query_D @ document_D / lengths), ids[row], row))
        found.append([row for *_, row in sorted(keys, reverse=True)[:depth]])
    return found


def test_search_is_exact() -> None:
    generator = np.random.default_rng(0)
    queries, documents = generator.standard_normal((7, 24)), generator.standard_normal((60, 24))
    ids = [str(number) for number in generator.permutation(60)]
    found = top_documents(queries, documents, ids, depth=11)
    assert [rows.tolist() for rows in found] == in_loops(queries, documents, ids, 11)


def rounded_by_place(queries_ND: Any, documents_MD: Any) -> Any:
    """The matrix product of a machine on which the last bits of a cell depend on the document's place."""
    table_NM = torch.as_tensor(queries_ND) @ torch.as_tensor(documents_MD).T
    errors_M = (torch.arange(len(documents_MD)) * 7919 % 5 - 2) * torch.finfo(table_NM.dtype).eps
    return table_NM + errors_M.to(table_NM.dtype)


def is_ranked_as_promised(rows: np.ndarray, of_document: np.ndarray, ids: list[str]) -> bool:
    """Equal documents stand together, the greater id first."""
    falling = all(
        ids[one] > ids[next_one]
        for one, next_one in itertools.pairwise(rows)
        if of_document[one] == of_document[next_one]
    )
    kinds = of_document[rows]
    return falling and 1 + np.count_nonzero(np.diff(kinds)) == len(set(kinds))


def test_documents_that_are_the_same_are_ranked_by_falling_id_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A matrix product may round by place, and this simulated one does: in it, equal documents are not equal."""
    generator = np.random.default_rng(0)
    of_document = generator.integers(0, 8, 301)
    documents = unit_rows(generator.standard_normal((8, 33)).astype(np.float32))[of_document]
    queries = unit_rows(generator.standard_normal((40, 33)).astype(np.float32))
    ids = [f"{number:03}" for number in generator.permutation(301)]
    by_the_table = np.argsort(-rounded_by_place(queries, documents).numpy(), axis=1, kind="stable")[:, :100]
    assert not any(is_ranked_as_promised(rows, of_document, ids) for rows in by_the_table)

    monkeypatch.setattr(nearest, "products", rounded_by_place)
    found = top_documents(queries, documents, ids, depth=100)
    assert len(found) == 40
    assert all(is_ranked_as_promised(rows, of_document, ids) for rows in found)


def test_a_task_gets_the_numbers_of_trec_eval(tmp_path: Path) -> None:
    """From files on: 50 copies of each document, several gains, judged ones without gain."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval comes with the extra 'mteb'")
    root = write_beir(tmp_path / "set", documents=300, queries=6)
    generator = np.random.default_rng(0)
    of_query, of_document = generator.standard_normal((2, 7, 33))
    gains = {
        f"q{i}": {f"d{j}": int(generator.integers(-1, 4)) for j in generator.choice(300, 40, replace=False)}
        for i in range(6)
    }
    lines = [f"{query}\t{document}\t{gain}" for query, of in gains.items() for document, gain in of.items()]
    (root / "qrels/test.tsv").write_text("\n".join(lines))

    def vector_of(text: str) -> np.ndarray:
        number = int(text.rstrip(".").split()[-1])
        return of_query[number] if text.startswith("query") else of_document[number]

    def score(query: int, document: int) -> float:
        first, second = of_query[query], of_document[document]
        return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    run = {f"q{i}": {f"d{j}": score(i, j % 6) for j in range(300)} for i in range(6)}
    measures = {"ndcg_cut.10", "recall.100", "recip_rank"}
    theirs = list(pytrec_eval.RelevanceEvaluator(gains, measures).evaluate(run).values())
    found = evaluate(FakeEncoder(vector_of), ["set"], root)
    for metric, name in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100"), ("mrr@10", "recip_rank")):
        values = np.array([each[name] for each in theirs])
        values[values < 0.1] *= metric != "mrr@10"
        assert found.value("set", metric) == pytest.approx(100 * values.mean(), abs=1e-9), metric


def test_hybrid_adds_the_rankings_of_both_and_of_words_alone_and_leaves_the_cosines_numbers(
    tmp_path: Path,
) -> None:
    """Documents say their class in words; vectors are drawn by text and know nothing of it."""
    root = write_beir(tmp_path / "set", documents=30, queries=6)
    encoder = FakeEncoder(lambda text: np.random.default_rng(len(text) * 7919 + ord(text[-2])).random(16))
    plain, found = (evaluate(encoder, ["set"], root, hybrid=hybrid) for hybrid in (False, True))
    names = [f"{ranking}{metric}" for ranking in ("", "hybrid-", "bm25-") for metric in DEFINITIONS]
    assert [result.metric for result in found.results] == names
    assert [result.value for result in found.results[:3]] == [result.value for result in plain.results]
    assert found.value("set", "bm25-ndcg@10") > found.value("set", "ndcg@10")
    assert all(result.per_example is not None for result in found.results)
    assert "ranked by" in found.results[-1].details


def test_words_alone_get_the_numbers_of_trec_eval(tmp_path: Path) -> None:
    """Equal scores, which BM25 has many of, are ordered as trec_eval orders them."""
    pytrec_eval = pytest.importorskip("pytrec_eval", reason="pytrec_eval comes with the extra 'mteb'")
    root = write_beir(tmp_path / "set", documents=60, queries=6)
    data = read_beir(root)
    ids, texts = list(data.documents), list(data.documents.values())
    scores = Bm25Index(texts).scores(list(data.queries.values()))
    run = {
        query: dict(zip(ids, map(float, row), strict=True))
        for query, row in zip(data.queries, scores, strict=True)
    }
    theirs = pytrec_eval.RelevanceEvaluator(data.gains, {"ndcg_cut.10"}).evaluate(run).values()
    found = evaluate(FakeEncoder(lambda text: np.array([len(text), 1.0])), ["set"], root, hybrid=True)
    mean = 100 * np.mean([each["ndcg_cut_10"] for each in theirs])
    assert found.value("set", "bm25-ndcg@10") == pytest.approx(mean, abs=1e-9)


def test_hybrid_without_a_retrieval_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --retrieval DIR"):
        evaluate(FakeEncoder(lambda text: np.ones(2)), ["geometry"], texts=["a", "b"], hybrid=True)
