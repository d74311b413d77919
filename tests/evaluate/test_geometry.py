from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contrapose.errors import UsageError
from contrapose.evaluate.encoding import encode_once
from contrapose.evaluate.geometry import GeometryTask
from contrapose.evaluate.geometry_spread import spread_intervals
from contrapose.maths import geometry
from tests.evaluate.fakes import constant, random_directions, write_benchmark
from tests.reference import geometry as reference


def test_numbers_on_sts_b_equal_the_loops(tmp_path: Path) -> None:
    write_benchmark(tmp_path, rows=12)
    encoder = random_directions()
    task = GeometryTask.on_sts_b(tmp_path)
    results = {result.metric: result for result in task.score(encode_once(encoder, task.texts))}
    vectors = encoder.encode(task.sentences)
    for name in ("uniformity", "mean_cosine", "effective_rank", "iso_score", "hubness"):
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
    assert metrics == ["uniformity", "mean_cosine", "effective_rank", "iso_score", "hubness"]
    assert len(alone.sentences) == 9
    paired = GeometryTask.on_texts(texts, [("row 1", "row one")])
    results = paired.score(encode_once(random_directions(), paired.texts))
    assert (results[0].metric, results[0].rows) == ("alignment", 1)
    assert "row one" in paired.sentences


def test_one_text_has_no_geometry() -> None:
    with pytest.raises(UsageError, match="at least two different texts, got 1"):
        GeometryTask.on_texts(["same", "same"])


def test_a_partner_that_is_nearest_has_rank_1_and_the_sentence_itself_does_not_count() -> None:
    vectors = {"a": [1.0, 0.0], "a too": [0.9, 0.1], "b": [0.0, 1.0], "b far": [-1.0, 0.2], "c": [0.6, 0.5]}
    task = GeometryTask.on_texts(["c"], [("a", "a too"), ("b", "b far")])
    results = {
        r.metric: r
        for r in task.score(encode_once(lambda texts: np.array([vectors[t] for t in texts]), task.texts))
    }
    # From b, c (0.64) is nearer than "b far" (0.20) and "a too" (0.11).
    assert results["positive_rank"].value == pytest.approx((1 + 2) / 2)
    assert results["positive_rank"].rows == 2


def test_intervals_hold_the_truth_of_more_sentences_of_the_same_kind() -> None:
    """95% intervals from 200 sentences, against the value over 4,000: at least 17 of 20 hold it."""
    drawn = np.random.default_rng(0).standard_normal((8000, 12)) * np.linspace(1, 0.2, 12) + 0.3
    everything = torch.from_numpy(drawn[4000:]).float()
    truth = {name: float(getattr(geometry, name)(everything)) for name in ("uniformity", "mean_cosine")}
    held = dict.fromkeys(truth, 0)
    for number in range(20):
        some = torch.from_numpy(drawn[number * 200 : (number + 1) * 200]).float()
        values = {name: float(getattr(geometry, name)(some)) for name in truth}
        for name, (low, high) in spread_intervals(some, values).items():
            held[name] += low <= truth[name] <= high
    assert min(held.values()) >= 17, held


def test_of_very_many_texts_so_many_are_drawn_and_the_result_says_of_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contrapose.evaluate import geometry as task_module

    monkeypatch.setattr(task_module, "MOST_TEXTS", 40)
    texts = [f"text {number}" for number in range(200)]
    pairs = [(f"left {number}", f"right {number}") for number in range(30)]
    task = GeometryTask.on_texts(texts, pairs)
    assert len(task.sentences) == 40
    assert task == GeometryTask.on_texts(texts, pairs)  # the same ones every time
    assert len(task.pairs) == 10
    assert {text for pair in task.pairs for text in pair} <= set(task.sentences)
    # Drawn from everywhere, and not the first ones.
    assert max(int(text.split()[1]) for text in task.sentences) > 150
    results = {each.metric: each for each in task.score(encode_once(random_directions(), task.texts))}
    # The texts of pairs that were not drawn are not looked at.
    assert results["uniformity"].details["drawn_from"] == 200 + 20
    assert results["alignment"].details["pairs_drawn_from"] == 30
    assert results["uniformity"].rows == 40
    few = GeometryTask.on_texts(texts[:40])
    assert (few.sentences, few.details) == (tuple(texts[:40]), {})
