from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.cli.models import LazyEncoder, model_of
from contrapose.errors import UsageError


def test_a_run_means_its_model_and_anything_else_itself(tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    assert model_of(str(tmp_path / "run")) == str(tmp_path / "run" / "model")
    assert model_of(str(tmp_path / "run" / "model")) == str(tmp_path / "run" / "model")
    assert model_of("org/name") == "org/name"


def test_an_unfinished_run_is_told_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(UsageError, match="--resume"):
        model_of(str(tmp_path))


def test_the_encoder_is_loaded_on_first_use_only(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contrapose.encoder.encoder import Encoder

    calls = []
    load = Encoder.load
    monkeypatch.setattr(Encoder, "load", lambda place: calls.append(place) or load(place))
    encoder = LazyEncoder(str(tiny))
    assert calls == []
    assert encoder.encode(["a cat"]).shape == (1, encoder.width)
    assert calls == [str(tiny)]
