"""The published numbers of the embedded encoder, on real data: CONTRAPOSE_DATA names the folder with `senteval`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contrapose.evaluate.suite import evaluate

PUBLISHED = {"STS12": 72.37, "STS13": 80.60, "STS14": 75.59, "STS15": 85.39, "STS16": 78.99, "STS-B": 82.03}
TOLERANCE = 0.05


#: nDCG@10 x 100 over 5,183 documents, cut at 256 tokens, title and text joined.
SCIFACT, SCIFACT_TOLERANCE = 64.5, 0.5


def evaluation_data(name: str) -> Path:
    folder = Path(os.environ.get("CONTRAPOSE_DATA", "")) / name
    if not os.environ.get("CONTRAPOSE_DATA") or not folder.is_dir():
        pytest.skip(f"set CONTRAPOSE_DATA to the folder that holds {name}/ to run this test")
    return folder


@pytest.fixture(scope="module")
def senteval() -> Path:
    return evaluation_data("senteval")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_minilm_reaches_its_published_sts_scores(senteval: Path, precision: str) -> None:
    from contrapose.encoder.encoder import Encoder

    found = evaluate(Encoder.load("minilm"), list(PUBLISHED), senteval, precision=precision)
    assert not found.problems
    assert {result.task: result.value for result in found.results} == pytest.approx(PUBLISHED, abs=TOLERANCE)
    assert found.averages[0].value == pytest.approx(78.59, abs=TOLERANCE)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_minilm_reaches_its_published_ndcg_on_scifact() -> None:
    from contrapose.encoder.encoder import Encoder

    encoder = Encoder.load("minilm")
    assert encoder.max_length == 256
    found = evaluate(encoder, ["scifact"], evaluation_data("corpora"), precision="fp32")
    assert not found.problems
    assert found.value("scifact", "ndcg@10") == pytest.approx(SCIFACT, abs=SCIFACT_TOLERANCE)
    assert {(result.rows, result.details["documents"]) for result in found.results} == {(300, 5183)}
