from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contrapose.evaluate.vectors import unit_rows
from contrapose.seeds import numpy_generator
from contrapose.selection.label_free import (
    DIFFUSE,
    HARMS,
    HELPS,
    UNCLEAR,
    LabelFreeStatistics,
    gain,
    judge,
    label_free_statistics,
    probe_scores,
)


def drawn(*shape: int, place: str = "x") -> np.ndarray:
    return numpy_generator(0, place).standard_normal(shape)


def test_the_scores_of_a_pair_are_those_of_their_definitions() -> None:
    first, second = unit_rows(drawn(7, 5), np.float64), unit_rows(drawn(7, 5, place="y"), np.float64)
    found = probe_scores(first, second)
    everything = np.concatenate([first, second])
    for i in range(7):
        apart = [np.sum((everything[i] - other) ** 2) for j, other in enumerate(everything) if j != i]
        apart_2 = [
            np.sum((everything[7 + i] - other) ** 2) for j, other in enumerate(everything) if j != 7 + i
        ]
        spread = (
            -(np.log(np.mean(np.exp(-2 * np.array(apart)))) + np.log(np.mean(np.exp(-2 * np.array(apart_2)))))
            / 2
        )
        others = (np.mean([first[i] @ v for v in second]) + np.mean([u @ second[i] for u in first])) / 2
        assert found["closeness"][i] == pytest.approx(-np.sum((first[i] - second[i]) ** 2))
        assert found["spread"][i] == pytest.approx(spread)
        assert found["margin"][i] == pytest.approx(first[i] @ second[i] - others)


def made(
    *, topics: float, margin: float = 0.0, closeness: float = 0.0, titles: float | None = None
) -> LabelFreeStatistics:
    """200 rows whose scores are these values, a little noise apart."""
    noise = 1e-4 * drawn(200)
    halves = {
        "margin": margin + noise,
        "closeness": closeness + noise,
        "spread": noise,
        "reciprocal_rank": np.full(200, 0.5),
    }
    scores = {"halves": halves}
    if titles is not None:
        scores["titles"] = {**halves, "reciprocal_rank": titles + 0.1 * np.abs(noise)}
    return LabelFreeStatistics(scores=scores, topics=topics, uniformity=-3.0, effective_rank=50.0)


CLUSTERED, EVEN = DIFFUSE + 0.1, DIFFUSE - 0.05


@pytest.mark.parametrize(
    ("start", "now", "word"),
    [
        (made(topics=CLUSTERED), made(topics=0.1, margin=-0.05), HARMS),
        (made(topics=CLUSTERED), made(topics=0.1, margin=0.05), UNCLEAR),
        (made(topics=EVEN), made(topics=0.1, margin=-0.05), UNCLEAR),
        (made(topics=EVEN, titles=0.5), made(topics=0.1, titles=0.6), HELPS),
        (made(topics=CLUSTERED, titles=0.5), made(topics=0.1, titles=0.6), UNCLEAR),
        (made(topics=EVEN, titles=0.6), made(topics=0.1, titles=0.5), HARMS),
        (made(topics=EVEN), made(topics=EVEN), UNCLEAR),
        (made(topics=CLUSTERED), made(topics=CLUSTERED), UNCLEAR),
    ],
)
def test_the_verdict_follows_its_rule(
    start: LabelFreeStatistics, now: LabelFreeStatistics, word: str
) -> None:
    found = judge(start, now)
    assert found is not None
    assert found.word == word


def test_a_collapsed_encoder_gets_no_judgement() -> None:
    start = made(topics=EVEN)
    assert judge(start, replace(start, uniformity=-0.01)) is None
    vectors = np.ones((60, 4))
    assert label_free_statistics({"halves": (vectors, vectors)}, vectors).collapsed


def test_the_start_gains_nothing_over_itself() -> None:
    for start in (made(topics=EVEN), made(topics=CLUSTERED), made(topics=EVEN, titles=0.5)):
        assert gain(start, start).tolist() == [0.0] * 200


def test_gain_is_of_the_margin_in_topics_and_of_closeness_elsewhere() -> None:
    moved = made(topics=0.1, margin=-0.3, closeness=0.2)
    assert gain(made(topics=CLUSTERED), moved).mean() == pytest.approx(-0.3)
    assert gain(made(topics=EVEN), moved).mean() == pytest.approx(0.2)


def test_topics_are_seen_in_the_vectors() -> None:
    topics = np.repeat(drawn(8, 16, place="topics"), 25, axis=0)
    clustered, even = 3 * topics + drawn(200, 16), drawn(200, 16)
    found = [
        label_free_statistics({"halves": (x, x)}, x[numpy_generator(0, "order").permutation(200)])
        for x in (clustered, even)
    ]
    assert found[0].topics > found[1].topics + 0.1
