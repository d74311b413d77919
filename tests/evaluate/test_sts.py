from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from contrapose.errors import ModelError, UsageError
from contrapose.evaluate.results import Result
from contrapose.evaluate.senteval import read_sts
from contrapose.evaluate.sts import StsTask, row_cosine, sts_dev
from contrapose.evaluate.suite import evaluate
from tests.evaluate.fakes import constant, oracle, random_directions, write_benchmark, write_sick, write_year


def sts(encode: Any, data: Path, tasks: Sequence[str], **options: Any) -> tuple[Result, ...]:
    return evaluate(encode, tasks, data, **options).results


def test_oracle_embeddings_score_100(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    write_sick(tmp_path)
    results = sts(oracle(tmp_path, ["STS-B", "SICK-R"]), tmp_path, ["STS-B", "SICK-R"])
    assert [result.value for result in results] == pytest.approx([100.0, 100.0])
    assert [result.rows for result in results] == [12, 5]


@pytest.mark.parametrize("protocol", ["senteval-all", "senteval-mean"])
def test_constant_embeddings_are_collapsed_not_a_score(tmp_path: Path, protocol: str) -> None:
    write_year(tmp_path, "STS13")
    (result,) = sts(constant(), tmp_path, ["STS13"], protocol=protocol)
    assert math.isnan(result.value)
    assert result.details["collapsed"] is True
    assert result.to_json()["value"] is None


def test_rounding_noise_on_a_constant_is_collapsed_too(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    noise = np.random.default_rng(0)

    def encode(texts):
        return (1 + 1e-8 * noise.standard_normal((len(texts), 8))).astype(np.float64)

    (result,) = sts(encode, tmp_path, ["STS-B"])
    assert result.details["collapsed"] is True


def test_equal_gold_scores_are_undefined_but_no_collapse(tmp_path: Path) -> None:
    path = write_benchmark(tmp_path)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("\n".join("\t".join([*line[:4], "2.0", *line[5:]]) for line in lines) + "\n")
    (result,) = sts(random_directions(), tmp_path, ["STS-B"])
    assert math.isnan(result.value)
    assert result.details["undefined"] == "all gold scores are equal"
    assert "collapsed" not in result.details


def test_both_protocols_equal_scipy_on_their_own_rows(tmp_path: Path) -> None:
    write_year(tmp_path, "STS12", rows=9)
    encoder = random_directions()
    parts = read_sts(tmp_path, "STS12").subsets
    cosines = [row_cosine(encoder.encode(part.first), encoder.encode(part.second)) for part in parts]
    golds = [part.gold for part in parts]
    (pooled,) = sts(encoder, tmp_path, ["STS12"])
    (mean,) = sts(encoder, tmp_path, ["STS12"], protocol="senteval-mean")
    each = [100 * spearmanr(cosine, gold).statistic for cosine, gold in zip(cosines, golds, strict=True)]
    assert pooled.value == pytest.approx(
        100 * spearmanr(np.concatenate(cosines), np.concatenate(golds)).statistic, abs=1e-10
    )
    assert mean.value == pytest.approx(np.mean(each), abs=1e-10)
    assert abs(pooled.value - mean.value) > 0.1
    assert mean.details["weighted_mean"] == pytest.approx(mean.value)  # parts of equal size
    assert [part["value"] for part in pooled.details["subsets"].values()] == pytest.approx(each)
    assert (pooled.protocol, mean.protocol) == ("senteval-all", "senteval-mean")


def test_every_sentence_of_all_tasks_is_encoded_once_and_unnormalised(tmp_path: Path) -> None:
    for task in ("STS12", "STS13"):
        write_year(tmp_path, task)
    write_benchmark(tmp_path)
    encoder = random_directions()
    sts(encoder, tmp_path, ["STS12", "STS13", "STS-B"], precision="bf16")
    (texts,) = encoder.calls
    assert len(texts) == len(set(texts)) == 2 * (5 * 5 + 3 * 5 + 12)
    assert encoder.options == [{"normalize": False, "precision": "bf16"}]


def test_selection_opens_no_test_file(tmp_path: Path, opened: list[str]) -> None:
    write_benchmark(tmp_path, "dev")
    write_benchmark(tmp_path, "test")
    opened.clear()
    result = sts_dev(tmp_path).evaluate(random_directions())
    assert opened == ["sts-dev.csv"]
    assert (result.split, result.task, result.rows) == ("dev", "STS-B", 12)


def test_result_carries_everything_needed_to_compare_it(tmp_path: Path) -> None:
    write_year(tmp_path, "STS16")
    (result,) = sts(random_directions(), tmp_path, ["sts16"])
    plain = result.to_json()
    assert {"task", "metric", "value", "protocol", "rows", "split", "text", "model", "details"} == set(plain)
    assert (plain["task"], plain["metric"], plain["protocol"]) == ("STS16", "spearman", "senteval-all")
    assert (plain["split"], plain["text"], plain["model"]) == ("test", "raw", "fake-fingerprint")
    assert plain["details"]["unscored_lines_left_out"] == 5
    assert len(plain["details"]["data_fingerprint"]) == 64


def test_other_row_count_than_published_is_shown(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    (result,) = sts(random_directions(), tmp_path, ["STS-B"])
    assert result.details["published_rows"] == 1379


def test_unknown_protocol_is_refused(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "dev")
    with pytest.raises(UsageError, match="Did you mean 'senteval-mean'"):
        StsTask(data=sts_dev(tmp_path).data, protocol="senteval-meen")


def test_vectors_that_are_not_finite_are_an_error_naming_a_text(tmp_path: Path) -> None:
    write_benchmark(tmp_path)

    def encode(texts):
        vectors = np.ones((len(texts), 3))
        vectors[1, 2] = np.nan
        return vectors

    with pytest.raises(ModelError, match=r"NaN or infinity for 1 of 24 texts, first for 'test .left 1'"):
        sts(encode, tmp_path, ["STS-B"])


def test_wrong_shape_from_the_encoder_is_an_error(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    with pytest.raises(ModelError, match=r"shape \(3, 2\) for 24 texts"):
        sts(lambda texts: np.ones((3, 2)), tmp_path, ["STS-B"])


def test_precision_for_a_plain_function_is_refused_not_ignored(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    with pytest.raises(UsageError, match="no effect on a plain function"):
        sts(lambda texts: np.ones((len(texts), 2)), tmp_path, ["STS-B"], precision="bf16")


def test_cosine_ignores_length() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, 7, 5))
    expected = [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(first, second, strict=True)]
    assert row_cosine(first, second) == pytest.approx(expected, abs=1e-12)
    assert row_cosine(1e6 * first, 1e-6 * second) == pytest.approx(expected, abs=1e-12)
