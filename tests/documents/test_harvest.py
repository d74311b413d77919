from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from contrapose.documents.harvest import DocumentStatistics, read_documents, write_documents
from contrapose.errors import EmptyCorpus, UsageError


def test_a_folder_is_searched_and_what_cannot_be_read_is_named(folder: Path) -> None:
    statistics = DocumentStatistics()
    documents = list(read_documents([folder], statistics=statistics))
    assert [document.title for document in documents] == ["Night trains", "Day trains"]
    assert [(Path(file).name, reason) for file, reason in statistics.left_out] == [("bad.txt", "not UTF-8")]
    assert (statistics.files, statistics.documents) == (2, 2)


def test_pairs_and_paragraphs_become_a_table(folder: Path, tmp_path: Path) -> None:
    rows, statistics = write_documents([folder], tmp_path / "pairs.parquet")
    table = pq.read_table(tmp_path / "pairs.parquet")
    assert table.column_names == ["anchor", "positive", "kind", "name"]
    assert rows == table.num_rows == 3
    assert dict(statistics.pairs) == {"title": 2, "neighbours": 1}
    rows, _ = write_documents([folder], tmp_path / "texts.parquet", kind="paragraphs")
    assert pq.read_table(tmp_path / "texts.parquet").column_names == ["text", "name"]
    assert rows == 3


def test_wrong_targets_kinds_and_empty_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        list(read_documents([tmp_path / "none"]))
    with pytest.raises(UsageError, match=r"documents end in \.md"):
        list(read_documents([folder / "sub" / "table.csv"]))
    with pytest.raises(UsageError, match="Did you mean 'pairs'"):
        write_documents([folder], tmp_path / "x.parquet", kind="pair")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyCorpus, match="no pairs found"):
        write_documents([tmp_path / "empty"], tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_paragraphs_of_scripts_without_blanks_are_kept(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "夜班火车每天晚上十点从车站出发，请在九点半之前到柜台购买车票。\n\n短。\n", encoding="utf-8"
    )
    assert write_documents([tmp_path / "a.md"], tmp_path / "x.parquet", kind="paragraphs")[0] == 1
