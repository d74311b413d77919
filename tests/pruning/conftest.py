"""A tiny model and text to score it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny import tiny_bert
from tests.train.runs import texts


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("pruning") / "tiny")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """420 lines: 42 are held out, enough for a verdict without labels."""
    path = tmp_path_factory.mktemp("pruning") / "corpus.txt"
    path.write_text("\n".join(texts(420)) + "\n")
    return path
