"""What must hold on a GPU too. `make test-gpu`; nothing here runs without CUDA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import contrapose
from tests.tiny import tiny_bert

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(
        "".join(f"the number {i} has the square {i * i} and follows {i - 1}\n" for i in range(400))
    )
    return path


def _losses(corpus: Path, out: Path, device: str, **options: object) -> list[float]:
    model = tiny_bert(out / "tiny")
    run = contrapose.train(
        corpus,
        model=model,
        method="hncse",
        out=out / "run",
        steps=6,
        batch_size=16,
        views="crop",
        dropout=0.0,
        precision="fp32",
        criterion="none",
        held_out_rows=0,
        device=device,
        **options,
    )
    return [row["loss"] for row in run.metrics]


def test_a_gpu_gives_the_losses_of_a_cpu(corpus: Path, tmp_path: Path) -> None:
    on_cpu = _losses(corpus, tmp_path / "cpu", "cpu")
    on_gpu = _losses(corpus, tmp_path / "gpu", "cuda")
    assert on_gpu == pytest.approx(on_cpu, abs=1e-4)


def test_chunks_change_nothing_on_a_gpu(corpus: Path, tmp_path: Path) -> None:
    whole = _losses(corpus, tmp_path / "whole", "cuda")
    chunked = _losses(corpus, tmp_path / "chunked", "cuda", chunk_size=8)
    assert chunked == pytest.approx(whole, abs=1e-4)
