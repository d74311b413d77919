"""Whose row is whose: every row has one client, shares follow Dirichlet's draw, and what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrapose.errors import UsageError
from contrapose.protocols import clients as module
from contrapose.protocols.clients import clients_of, heterogeneity, topic_counts, topics_of
from contrapose.seeds import derive


def topics(rows: int = 600, count: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(count, size=rows)


@given(
    clients=st.integers(1, 8),
    alpha=st.floats(0.2, 50),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_client_has_enough_rows_and_every_row_one_client(clients: int, alpha: float, seed: int) -> None:
    client_N = clients_of(topics(), clients, alpha, fewest=4, seed=seed)
    assert client_N.shape == (600,)
    sizes = np.bincount(client_N, minlength=clients)
    assert len(sizes) == clients
    assert sizes.min() >= 4
    assert np.array_equal(client_N, clients_of(topics(), clients, alpha, fewest=4, seed=seed))


def test_another_seed_deals_other_rows() -> None:
    one, other = (clients_of(topics(), 4, 1.0, fewest=2, seed=seed) for seed in (0, 1))
    assert (one != other).any()


def test_a_small_alpha_makes_clients_differ_and_a_large_one_makes_them_alike() -> None:
    topic_N = topics(6_000)
    few, many = (
        [heterogeneity(topic_N, clients_of(topic_N, 5, alpha, fewest=8, seed=seed)) for seed in range(10)]
        for alpha in (0.1, 1000.0)
    )
    assert np.mean(few) > 0.4
    assert np.max(many) < 0.05


def test_the_shares_of_a_topic_are_those_of_the_draw() -> None:
    """By hand: cumulated shares, rounded to whole rows."""
    topic_N = topics(900, 3)
    counts_CK = topic_counts(topic_N, clients_of(topic_N, 4, 2.0, fewest=1, seed=5))
    assert counts_CK.sum() == 900
    assert counts_CK.sum(0).tolist() == np.bincount(topic_N).tolist()
    draws = np.random.default_rng(derive(5, "clients", 0)).dirichlet(np.full(4, 2.0), size=3)
    for topic, shares in enumerate(draws):
        assert np.abs(counts_CK[:, topic] - shares * (topic_N == topic).sum()).max() <= 1


def test_heterogeneity_is_that_of_the_loops() -> None:
    topic_N, client_N = topics(200, 4), np.random.default_rng(1).integers(3, size=200)
    total = 0.0
    for client in range(3):
        mine = [topic for topic, owner in zip(topic_N, client_N, strict=True) if owner == client]
        distance = (
            sum(abs(mine.count(topic) / len(mine) - (topic_N == topic).mean()) for topic in range(4)) / 2
        )
        total += len(mine) / 200 * distance
    assert heterogeneity(topic_N, client_N) == pytest.approx(total)
    assert heterogeneity(topic_N, np.zeros(200, dtype=int)) == 0


def test_fewer_rows_than_clients_need_are_refused() -> None:
    with pytest.raises(UsageError, match="30 rows to train on are too few for 4 clients of at least 8 rows"):
        clients_of(topics(30), 4, 1.0, fewest=8, seed=0)


def test_a_draw_that_leaves_a_client_too_few_rows_is_drawn_again_and_at_last_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic_N = topics(100, 3)
    monkeypatch.setattr(module, "DRAWS", 1)
    with pytest.raises(UsageError, match=r"larger alpha than 0\.05"):
        clients_of(topic_N, 5, 0.05, fewest=20, seed=0)
    monkeypatch.setattr(module, "DRAWS", 1_000)
    with pytest.raises(UsageError, match="in 1000 draws"):
        clients_of(topic_N, 5, 0.05, fewest=20, seed=0)
    assert np.bincount(clients_of(topic_N, 5, 0.5, fewest=5, seed=0)).min() >= 5


def test_topics_are_found_on_some_rows_and_given_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three groups of directions, read in blocks; no more rows at once than a block has."""
    random = np.random.default_rng(0)
    group_N = random.integers(3, size=500)
    vectors = np.eye(8)[group_N] + 0.05 * random.normal(size=(500, 8))
    monkeypatch.setattr(module, "ROWS_OF_TOPICS", 60)
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", 64)
    asked: list[int] = []

    def vectors_of(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return vectors[rows].astype(np.float32)

    topic_N = topics_of(500, vectors_of, 3, seed=1)
    assert max(asked) <= 64
    assert sum(asked) == 560
    assert len({(int(topic), int(group)) for topic, group in zip(topic_N, group_N, strict=True)}) == 3


def test_more_topics_than_rows_are_as_many_as_there_are_rows() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert sorted(topics_of(3, lambda rows: vectors[rows], 10, seed=0)) == [0, 1, 2]
