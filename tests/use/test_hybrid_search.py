"""Search by meaning and words: what the words bring, and that ranks do not hang on chunks or places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contrapose.errors import EmptyCorpus, UsageError
from contrapose.lexical.bm25 import Bm25Index
from contrapose.lexical.hybrid import hybrid_scores
from contrapose.use import search as search_module
from contrapose.use.hybrid_search import hybrid_search
from contrapose.use.search import search
from tests.use.fakes import HashEncoder, TableEncoder, vector_of

TEXTS = ("error 17 at the start", "error 18 at the start", "the engine does not run", "a red car", "error 17")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join((*TEXTS[:2], "", *TEXTS[2:])) + "\n", encoding="utf-8")
    return path


def test_a_number_that_the_encoder_does_not_see_decides(file: Path) -> None:
    blurred = TableEncoder(
        {**{text: [1.0, 0.1] if "error" in text else [0.0, 1.0] for text in TEXTS}, "": [1, 0]}
        | {"error 18": [1.0, 0.0]}
    )
    assert [hit.row for hit in search(blurred, file, ["error 18"], 3)[0]] == [0, 1, 5]
    (hits,) = hybrid_search(blurred, file, ["error 18"], 3)
    assert (hits[0].text, hits[0].rank, hits[0].row, hits[0].line) == (TEXTS[1], 1, 1, 2)
    assert [hit.rank for hit in hits] == [1, 2, 3]


def test_scores_are_the_standardised_sum_and_chunks_do_not_matter(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = ["error 17", "a car"]
    whole = hybrid_search(HashEncoder(), file, queries, 9)
    unit = [vector_of(text) / np.linalg.norm(vector_of(text)) for text in TEXTS]
    asked = [vector_of(text) / np.linalg.norm(vector_of(text)) for text in queries]
    expected = hybrid_scores(np.array(asked) @ np.array(unit).T, Bm25Index(TEXTS).scores(queries))
    for hits, scores in zip(whole, expected, strict=True):
        assert [TEXTS.index(hit.text) for hit in hits] == np.argsort(-scores, kind="stable").tolist()
        assert [hit.score for hit in hits] == pytest.approx(sorted(scores, reverse=True), abs=2e-6)
    monkeypatch.setattr(search_module, "ROWS_PER_CHUNK", 2)
    assert hybrid_search(HashEncoder(), file, queries, 9) == whole


def test_equal_texts_come_in_order_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "equal.txt"
    path.write_text("the same words\nother things\n" * 20, encoding="utf-8")
    (hits,) = hybrid_search(HashEncoder(), path, ["the same"], 20)
    assert [hit.row for hit in hits] in (list(range(0, 40, 2)), list(range(1, 40, 2)))


def test_wrong_input_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="top must be at least 1"):
        hybrid_search(HashEncoder(), file, ["a"], 0)
    with pytest.raises(UsageError, match="query 1 is empty"):
        hybrid_search(HashEncoder(), file, [" "])
    (tmp_path / "blank.txt").write_text("\n \n")
    with pytest.raises(EmptyCorpus, match="no readable row"):
        hybrid_search(HashEncoder(), tmp_path / "blank.txt", ["a"])
