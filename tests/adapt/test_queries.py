"""Unlabeled queries: read, refused where they ask for nothing, answered by the search that teaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from contrapose.adapt.queries import check_queries, read_queries, span_pairs, with_answers
from contrapose.adapt.texts import DOCUMENTS, PAIRS, Texts
from contrapose.errors import UsageError

WORDS = ["tide", "rope", "mast", "sail", "wind", "hull", "keel", "bow"]


def encode(texts: Sequence[str]) -> Tensor:
    return torch.tensor([[each.split().count(word) + 0.1 for word in WORDS] for each in texts])


def test_distinct_lines_are_read_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("where is the mast\n\nwhere is the mast\nhow long is a keel\n", encoding="utf-8")
    assert read_queries(str(path)) == ["where is the mast", "how long is a keel"]
    path.write_text("\n\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds no query"):
        read_queries(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        read_queries(str(tmp_path / "none.txt"))
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_queries(str(path))


def test_queries_that_are_the_documents_are_told() -> None:
    texts = [f"document {number}" for number in range(10)]
    assert "texts of the corpus themselves (6 of 10)" in check_queries(
        [*texts[:6], "a", "b", "c", "d"], texts
    )
    assert check_queries([*texts[:3], "a", "b", "c", "d"], texts) == ""


def test_a_query_gets_the_document_that_the_search_finds() -> None:
    columns = {"anchor": ["a title", "another"], "positive": ["tide tide rope", "mast sail wind"]}
    pairs = with_answers(Texts(kind=PAIRS, columns=columns, what=""), ["the mast", "a rope"], encode)
    assert pairs.columns["anchor"] == ["a title", "another", "the mast", "a rope"]
    assert pairs.columns["positive"][2:] == ["mast sail wind", "tide tide rope"]


def test_documents_without_titles_are_asked_by_their_spans() -> None:
    long = " ".join(WORDS * 5)
    made = span_pairs(Texts(kind=DOCUMENTS, columns={"text": [long, "too short"]}, what=""), encode)
    assert len(made) == 1
    query, rest = made.columns["anchor"][0], made.columns["positive"][0]
    assert query in long
    assert len(query.split()) + len(rest.split()) == len(long.split())
