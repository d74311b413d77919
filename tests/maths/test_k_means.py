"""Spherical k-means: groups that are apart are found, and the same seed gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from contrapose.maths import k_means
from contrapose.maths.k_means import nearest_centroid, spherical_k_means
from tests.reference.loops import cosine

GROUPS, WIDTH = 4, 6


def grouped(rows: int = 80, seed: int = 0, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows near one of four axes, and which."""
    random = np.random.default_rng(seed)
    group_N = np.arange(rows) % GROUPS
    rows_ND = np.eye(GROUPS, WIDTH)[group_N] + noise * random.normal(size=(rows, WIDTH))
    return rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True), group_N


@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_groups_that_are_apart_are_found_and_a_centroid_is_the_direction_of_its_rows(
    monkeypatch: pytest.MonkeyPatch, in_batches: bool, seed: int
) -> None:
    rows_ND, group_N = grouped()
    if in_batches:
        monkeypatch.setattr(k_means, "ROWS_PER_ITERATION", 32)
    centroid_KD = spherical_k_means(rows_ND, GROUPS, seed)
    np.testing.assert_allclose(np.linalg.norm(centroid_KD, axis=1), 1.0)
    cluster_N, cosine_N = nearest_centroid(rows_ND, centroid_KD)
    of_group = [set(cluster_N[group_N == group].tolist()) for group in range(GROUPS)]
    assert sorted(cluster for clusters in of_group for cluster in clusters) == list(range(GROUPS))
    for group, (cluster,) in enumerate(of_group):
        mean_D = rows_ND[group_N == group].sum(0)
        expected_D = mean_D / np.linalg.norm(mean_D)
        np.testing.assert_allclose(centroid_KD[cluster], expected_D, atol=0.03 if in_batches else 1e-12)
    for row, cluster, value in zip(rows_ND[:9], cluster_N, cosine_N, strict=False):
        by_loop = [cosine(row.tolist(), centroid.tolist()) for centroid in centroid_KD]
        assert by_loop.index(max(by_loop)) == cluster
        assert value == pytest.approx(max(by_loop))


def test_the_same_seed_gives_the_same_bits_and_another_another_start() -> None:
    rows_ND, _group_N = grouped(noise=1.0)
    first, again, other = (spherical_k_means(rows_ND, 7, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_iteration_brings_rows_nearer_to_their_centroids() -> None:
    rows_ND, _group_N = grouped(noise=1.0)
    nearness = [
        nearest_centroid(rows_ND, spherical_k_means(rows_ND, 7, 0, iterations=count))[1].mean()
        for count in (0, 1, 2, 5, 50)
    ]
    assert nearness == sorted(nearness)
    assert nearness[-1] > nearness[0]


def test_as_many_clusters_as_rows_equal_rows_and_zeros_are_finite() -> None:
    rows_ND, _group_N = grouped(8)
    assert sorted(nearest_centroid(rows_ND, spherical_k_means(rows_ND, 8, 0))[0].tolist()) == list(range(8))
    same_ND = np.repeat(rows_ND[:1], 5, axis=0)
    np.testing.assert_allclose(spherical_k_means(same_ND, 3, 0), np.repeat(rows_ND[:1], 3, axis=0))
    assert np.isfinite(spherical_k_means(np.zeros((5, 3)), 2, 0)).all()
    np.testing.assert_allclose(spherical_k_means(rows_ND[:1], 1, 0), rows_ND[:1])
    with pytest.raises(ValueError, match="3 rows cannot be put into 4 clusters"):
        spherical_k_means(rows_ND[:3], 4, 0)
