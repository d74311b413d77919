"""Tiny encoders, built once per session; tests that change a model load their own from the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.encoder.encoder import Encoder
from tests.tiny import TINY


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("tiny")
    return {name: build(parent / name) for name, build in TINY.items()}


@pytest.fixture(params=sorted(TINY))
def tiny_folder(request: pytest.FixtureRequest, tiny_folders: dict[str, Path]) -> Path:
    return tiny_folders[request.param]


@pytest.fixture
def bert_folder(tiny_folders: dict[str, Path]) -> Path:
    return tiny_folders["bert"]


@pytest.fixture
def bert(bert_folder: Path) -> Encoder:
    return Encoder.load(bert_folder)


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    return Encoder.load("minilm")
