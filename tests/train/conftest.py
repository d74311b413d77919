"""One tiny model and its corpora for the whole package, and one thread: a tiny model is slower on more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from contrapose.encoder.encoder import Encoder
from tests.train.runs import Place, plain_bert, write_place


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("train")
    return write_place(folder, plain_bert(folder / "bert"))


@pytest.fixture
def encoder(place: Place) -> Encoder:
    return Encoder.load(place.model).train()


@pytest.fixture
def calm_encoder(place: Place) -> Encoder:
    """Without dropout."""
    return Encoder.load(place.model, dropout=0.0).train()
