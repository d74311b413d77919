"""A folder of documents, with files that are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.folder import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "notes")
