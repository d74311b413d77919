from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import UsageError
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.geometry import GeometryTask
from tests.evaluate.fakes import constant, random_directions, write_benchmark
from tests.reference import geometry as reference


def test_numbers_on_sts_b_equal_the_loops(tmp_path: Path) -> None:
    write_benchmark(tmp_path, rows=12)
    encoder = random_directions()
    task = GeometryTask.on_sts_b(tmp_path)
    results = {result.metric: result for result in task.score(encode_once(encoder, task.texts))}
    vectors = encoder.encode(task.sentences)
    for name in ("uniformity", "mean_cosine", "effective_rank"):
        assert results[name].value == pytest.approx(getattr(reference, name)(vectors), abs=1e-4)
        assert results[name].rows == 24
    # 12 scores from 0 to 5: the pairs above 4.0 are those with 4.09, 4.55 and 5.
    assert results["alignment"].rows == 3
    left, right = (encoder.encode([pair[side] for pair in task.pairs]) for side in (0, 1))
    assert results["alignment"].value == pytest.approx(reference.alignment(left, right), abs=1e-5)


def test_a_pair_scored_exactly_4_is_not_above_4(tmp_path: Path) -> None:
    path = write_benchmark(tmp_path, rows=6)  # scores 0, 1, 2, 3, 4, 5
    assert "\t4.000\t" in path.read_text()
    assert GeometryTask.on_sts_b(tmp_path).pairs == (('test "left 5', "test right 5."),)


def test_split_is_the_one_asked_for(tmp_path: Path) -> None:
    write_benchmark(tmp_path, "dev")
    task = GeometryTask.on_sts_b(tmp_path, "dev")
    assert task.split == "dev"
    assert all(text.startswith("dev ") for text in task.sentences)


def test_every_number_carries_its_definition(tmp_path: Path) -> None:
    write_benchmark(tmp_path)
    task = GeometryTask.on_sts_b(tmp_path)
    for result in task.score(encode_once(constant(), task.texts)):
        assert result.protocol == "geometry"
        assert len(result.details["definition"]) > 40
        assert result.model == "fake-fingerprint"


def test_own_texts_have_alignment_only_with_pairs() -> None:
    texts = [f"row {i}" for i in range(9)] + ["row 0"]
    alone = GeometryTask.on_texts(texts)
    metrics = [result.metric for result in alone.score(encode_once(random_directions(), alone.texts))]
    assert metrics == ["uniformity", "mean_cosine", "effective_rank"]
    assert len(alone.sentences) == 9
    paired = GeometryTask.on_texts(texts, [("row 1", "row one")])
    results = paired.score(encode_once(random_directions(), paired.texts))
    assert (results[0].metric, results[0].rows) == ("alignment", 1)
    assert "row one" in paired.sentences


def test_one_text_has_no_geometry() -> None:
    with pytest.raises(UsageError, match="at least two different texts, got 1"):
        GeometryTask.on_texts(["same", "same"])
