"""The cluster filter of IFND: who is believed, who is struck out or attracted, and that nobody else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from contrapose.contract import Supplies, Views
from contrapose.errors import UsageError
from contrapose.filters import clusters
from contrapose.filters.clusters import ClusterFilter, default_clusters
from contrapose.maths import k_means
from contrapose.maths.k_means import spherical_k_means
from contrapose.negatives.queue import Queue
from contrapose.objectives.catalogue import loss, recipe
from contrapose.objectives.objective import Objective
from contrapose.seeds import derive
from tests.reference import clusters as written_out

ROWS, WIDTH, CORPUS = 8, 5, 40
TEXT_IDS = torch.arange(1, CORPUS + 1) * 3
STEPS = 10


def corpus(seed: int = 0) -> Tensor:
    """Forty rows around three directions."""
    random = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, WIDTH, generator=random)
    return centres[torch.arange(CORPUS) % 3] + 0.6 * torch.randn(CORPUS, WIDTH, generator=random)


def objective(method: str = "ifnd", *parts: str, refreshed: bool = True, **options: Any) -> Objective:
    made = recipe(method, parts, {"num_clusters": 6, "num_clusterings": 2, **options}).build(width=WIDTH)
    made.attach(Supplies(width=WIDTH, num_rows=CORPUS, num_training_rows=CORPUS, text_ids_N=TEXT_IDS, seed=1))
    if refreshed:
        made.refresh(0, torch.arange(CORPUS), corpus())
    return made


def batch(step: int = STEPS, seed: int = 0, **rest: Any) -> Views:
    """Rows 3, 6, ... of the corpus; by default at the end of the run, where the share is the last one."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) + 0.5
    anchor, positive = (
        base + 0.3 * torch.randn(ROWS, WIDTH, generator=random, dtype=torch.float64) for _ in range(2)
    )
    rows = torch.arange(ROWS) * 3 + 3
    rows[ROWS // 2 :] += 1
    return Views.pair(anchor, positive, row_ids=rows, step=step, num_steps=STEPS, **rest)


def part_of(made: Objective) -> ClusterFilter:
    part = made.parts["cluster-filter"]
    assert isinstance(part, ClusterFilter)
    return part


def by_loops(agree: str, share: float, kappa: float = 0.1) -> Any:
    """row of the batch -> its false negatives in the batch, from centroids and loops."""
    rows = batch().row_ids
    assert rows is not None
    vectors = corpus()
    unit = torch.nn.functional.normalize(vectors).numpy()
    given, believed = [], []
    for level, size in enumerate((6, 2)):
        centroids = spherical_k_means(unit, size, derive(1, "cluster-filter", 0, level))
        surest = [written_out.confidence(row, centroids.tolist(), kappa) for row in vectors.tolist()]
        given.append([cluster for cluster, _confidence in surest])
        believed.append(written_out.accepted([confidence for _cluster, confidence in surest], share))

    def alike_of(i: int) -> list[int]:
        numbers = rows.tolist()
        alike = written_out.false_negatives(numbers[i], numbers, given, believed, agree)
        return [numbers.index(row) for row in alike]

    return alike_of


@pytest.mark.parametrize("false_negatives", ["eliminate", "attract"])
@pytest.mark.parametrize("agree", ["any", "all"])
@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_equals_the_loops_in_loss_and_gradient(false_negatives: str, agree: str, share: float) -> None:
    made = objective(false_negatives=false_negatives, agree=agree, accepted_share=share, temperature=0.2)
    views = batch()
    anchor, positive = (view.clone().requires_grad_() for view in (views.anchor, views.positive))
    ours = made.double()(views.with_views(anchor=anchor, positive=positive))
    alike_of = by_loops(agree, share)

    def theirs(anchor: Tensor, positive: Tensor) -> float:
        losses = written_out.ifnd(
            anchor.tolist(),
            positive.tolist(),
            alike_of,
            temperature=0.2,
            attract=false_negatives == "attract",
        )
        return sum(losses) / ROWS

    assert ours.total.item() == pytest.approx(theirs(anchor, positive), rel=1e-12)
    alike = sum(len(alike_of(i)) for i in range(ROWS)) / ROWS
    assert ours.stats["false_negatives"].item() == pytest.approx(alike)
    if share == 1.0:
        assert alike > 0, "nothing is tested"
    gradients = torch.autograd.grad(ours.total, [anchor, positive])
    for number, gradient in enumerate(gradients):
        step = torch.zeros_like(anchor)
        step[1, 2] = 1e-5
        moved = [
            [view.detach() + sign * step * (place == number) for place, view in enumerate((anchor, positive))]
            for sign in (1, -1)
        ]
        slope = (theirs(*moved[0]) - theirs(*moved[1])) / 2e-5
        assert gradient[1, 2].item() == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("false_negatives", ["eliminate", "attract"])
def test_a_share_of_nothing_is_infonce_to_the_bit(false_negatives: str) -> None:
    views = batch()
    plain = loss("simcse", views.anchor, views.positive).outcome.loss_B
    for made in (
        objective(accepted_share=0.0, false_negatives=false_negatives),
        objective(refreshed=False, false_negatives=false_negatives),
    ):
        ours = made(views)
        assert torch.equal(ours.outcome.loss_B, plain)
        assert ours.total.item() == plain.mean().item()
        assert ours.stats["false_negatives"] == 0
    first_step = objective(accepted_share=1.0)(batch(step=0))
    assert torch.equal(first_step.outcome.loss_B, plain)


def test_one_cluster_that_is_believed_leaves_only_the_target() -> None:
    views = batch()
    views.anchor.requires_grad_()
    ours = objective(num_clusters=1, accepted_share=1.0)(views)
    assert torch.equal(ours.outcome.table.valid_BC, torch.eye(ROWS, dtype=torch.bool))
    assert ours.total.item() == 0.0
    assert torch.autograd.grad(ours.total, views.anchor)[0].abs().sum() == 0
    assert ours.stats["false_negatives"] == ROWS - 1


def test_one_cluster_that_attracts_makes_every_text_a_positive() -> None:
    views = batch()
    ours = objective(num_clusters=1, accepted_share=1.0, false_negatives="attract", temperature=0.5)(views)
    logits = ours.outcome.logits_BC
    torch.testing.assert_close(ours.total, -logits.log_softmax(1).mean())


def test_the_share_grows_with_the_steps_and_is_the_last_one_where_nobody_counts_them() -> None:
    part = part_of(objective(accepted_share=0.8))
    assert [part.share(batch(step=step)) for step in (0, 5, 10)] == pytest.approx([0, 0.4, 0.8])
    assert part.share(replace(batch(step=3), num_steps=None)) == 0.8
    struck = [
        objective(accepted_share=0.8)(batch(step)).stats["false_negatives"].item() for step in range(11)
    ]
    assert struck == sorted(struck)
    assert struck[-1] > struck[0] == 0


def test_the_surest_rows_are_believed_first() -> None:
    part = part_of(objective())
    ranks = part.ranks_GN
    assert torch.equal(ranks.sort(dim=1).values, (torch.arange(CORPUS) / CORPUS).expand(2, -1))
    vectors = corpus()
    centroids = spherical_k_means(
        torch.nn.functional.normalize(vectors).numpy(), 6, derive(1, "cluster-filter", 0, 0)
    )
    sure = [written_out.confidence(row, centroids.tolist(), 0.1)[1] for row in vectors.tolist()]
    assert torch.equal(ranks[0].argsort(), torch.tensor(sure).argsort(descending=True))


def test_queued_and_given_texts_are_left_out_where_they_are_a_row_s_text() -> None:
    made = objective("ifnd", "queue", num_clusters=1, accepted_share=1.0, queue_size=6)
    queue = made.parts["queue"]
    assert isinstance(queue, Queue)
    unknown = torch.tensor([7_000])
    queued = torch.cat([TEXT_IDS[:3], unknown, TEXT_IDS[20:21]])
    vectors = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(3))
    queue.observe(Views.pair(vectors, vectors, text_ids={"positive": queued}))
    negative = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    own = TEXT_IDS[batch().row_ids]
    texts = {"anchor": own, "positive": own, "negative_1": torch.full((ROWS,), 7_001)}
    texts["negative_1"][2] = TEXT_IDS[30]
    views = replace(batch().with_views(negative_1=negative), text_ids=texts)
    table = made(views).outcome.table
    assert torch.equal(table.valid_BC[:, table.origins["batch"]], torch.eye(ROWS, dtype=torch.bool))
    assert table.valid_BC[:, table.origins["queue"]].tolist() == [[False] * 3 + [True, False]] * ROWS
    kept = [True] * ROWS
    kept[2] = False
    assert table.valid_BC[:, table.origins["negative_1"]].tolist() == [kept] * ROWS
    attracted = objective("ifnd", "queue", num_clusters=1, accepted_share=1.0, false_negatives="attract")
    attracted.parts["queue"].observe(Views.pair(vectors, vectors, text_ids={"positive": queued}))
    table = attracted(views).outcome.table
    assert table.valid_BC[:, table.origins["batch"]].all()
    assert table.valid_BC[:, table.origins["queue"]].tolist() == [[False] * 3 + [True, False]] * ROWS


def test_the_own_inner_vector_stays_and_another_row_s_of_the_cluster_goes() -> None:
    views = batch()
    own = TEXT_IDS[views.row_ids]
    inner = {"anchor@-2": views.anchor + 0.1, "positive@-2": views.positive + 0.1}
    views = replace(views.with_views(**inner), text_ids={"anchor": own, "positive": own})
    for scope in ("all", "own"):
        made = objective(
            "sscl", "cluster-filter", num_layers=1, num_clusters=1, accepted_share=1.0, scope=scope
        )
        table = made(views).outcome.table
        kept = table.valid_BC[:, table.origins["layer-2_positive"]]
        assert torch.equal(kept, torch.eye(ROWS, dtype=torch.bool) if scope == "all" else kept | True)


def test_rows_that_nobody_clustered_are_nobody_s_false_negatives() -> None:
    views = batch()
    assert views.row_ids is not None
    made = objective(num_clusters=1, accepted_share=1.0, refreshed=False)
    most = torch.tensor([row for row in range(CORPUS) if row != views.row_ids[2]])
    made.refresh(0, most, corpus()[most])
    valid = made(views).outcome.table.valid_BC
    assert valid[2].all()
    assert valid[:, 2].all()
    assert valid.sum() == ROWS + 2 * (ROWS - 1)
    outside = replace(views, row_ids=views.row_ids + CORPUS)
    assert objective(num_clusters=1, accepted_share=1.0)(outside).outcome.table.valid_BC.all()
    nameless = replace(views, row_ids=None)
    for mode in ("eliminate", "attract"):
        ours = objective(num_clusters=1, accepted_share=1.0, false_negatives=mode)(nameless)
        assert ours.outcome.table.valid_BC.all()


def test_two_rows_of_one_text_are_repeats_and_not_attracted() -> None:
    texts = torch.arange(ROWS)
    texts[1] = texts[0]
    views = replace(batch(), text_ids={"anchor": texts, "positive": texts})
    ours = objective(num_clusters=1, accepted_share=1.0, false_negatives="attract", temperature=0.2)(views)
    expected = written_out.ifnd(
        views.anchor.tolist(),
        views.positive.tolist(),
        lambda i: [j for j in range(ROWS) if j != i],
        temperature=0.2,
        attract=True,
        struck=frozenset({(0, 1), (1, 0)}),
    )
    assert ours.total.item() == pytest.approx(sum(expected) / ROWS)


def test_the_order_of_the_rows_does_not_matter() -> None:
    views, order = batch(), torch.tensor([3, 0, 5, 1, 7, 4, 2, 6])
    assert views.row_ids is not None
    made = objective(accepted_share=1.0)
    shuffled = replace(
        views,
        by_name={name: view[order] for name, view in views.by_name.items()},
        row_ids=views.row_ids[order],
    )
    ours, theirs = made(views).outcome, made(shuffled).outcome
    assert not ours.table.valid_BC.all(), "nothing is tested"
    torch.testing.assert_close(theirs.loss_B, ours.loss_B[order])


def test_what_was_learnt_of_the_corpus_is_saved_and_a_later_look_replaces_it() -> None:
    made, resumed = objective(accepted_share=1.0), objective(refreshed=False, accepted_share=1.0)
    resumed.load_state_dict(made.state_dict(), strict=True)
    views = batch()
    assert torch.equal(made(views).outcome.loss_B, resumed(views).outcome.loss_B)
    before = part_of(made).clusters_GN.clone()
    made.refresh(1_000, torch.arange(CORPUS), corpus())
    after = part_of(made).clusters_GN.clone()
    assert not torch.equal(before, after), "another step draws another start"
    made.refresh(1_000, torch.arange(CORPUS), corpus())
    assert torch.equal(part_of(made).clusters_GN, after)
    made.refresh(1_000, torch.arange(5), corpus()[:5])
    assert (part_of(made).clusters_GN[:, 5:] == clusters.UNKNOWN).all()


def test_of_many_rows_some_make_the_centroids_and_all_get_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "SAMPLED_ROWS", 20)
    monkeypatch.setattr(k_means, "ROWS_PER_BLOCK", 7)
    part = part_of(objective(num_clusters=3, num_clusterings=1))
    assert (part.clusters_GN >= 0).all()
    group = torch.arange(CORPUS) % 3
    together = part.clusters_GN[0][:, None] == part.clusters_GN[0][None, :]
    assert (together == (group[:, None] == group[None, :])).float().mean() > 0.8


@pytest.mark.parametrize(("rows", "finest"), [(1, 1), (12, 3), (1_000, 126), (100_000, 1_265)])
def test_the_number_of_clusters_follows_the_rows(rows: int, finest: int) -> None:
    assert default_clusters(rows) == finest
    sizes = ClusterFilter().sizes(rows)
    assert sizes[0] == finest
    assert all(1 <= size <= finest for size in sizes)
    assert ClusterFilter(num_clusters=50, num_clusterings=4).sizes(40) == [40, 10, 2, 2]


def test_more_clusters_than_rows_to_train_on_are_refused_by_number() -> None:
    made = recipe("ifnd", (), {"num_clusters": 101}).build(width=WIDTH)
    with pytest.raises(UsageError, match="num_clusters is 101, and the corpus has 100 rows to train on"):
        made.attach(Supplies(width=WIDTH, num_rows=120, num_training_rows=100))
    recipe("ifnd", (), {"num_clusters": 100}).build(width=WIDTH).attach(
        Supplies(width=WIDTH, num_rows=120, num_training_rows=100)
    )


@pytest.mark.parametrize("part", ["mixed-negatives", "hard-negative-mixup", "positive-mixtures"])
def test_what_is_struck_out_of_the_batch_does_not_come_back_as_a_mixture(part: str) -> None:
    made = objective("simcse", "cluster-filter", part, num_clusters=1, accepted_share=1.0)
    ours = made(batch())
    assert set(ours.outcome.table.origins) > {"batch"}
    assert not ours.outcome.table.negative_BC.any()
    assert ours.total.item() == 0.0
    first = made(batch(step=0)).outcome.table
    assert first.negative_BC.any(0).all(), "before any row is believed, mixtures count too"


@pytest.mark.parametrize(
    ("part", "origin"), [("anchor-negatives", "anchors"), ("pseudo-negatives", "previous")]
)
def test_further_vectors_of_the_batch_s_texts_are_filtered_as_the_batch_is(part: str, origin: str) -> None:
    views = batch()
    texts = TEXT_IDS[views.row_ids]
    further = {"anchor@pooled": views.anchor, "positive@previous": views.positive}
    views = replace(views.with_views(**further), text_ids={"anchor": texts, "positive": texts})
    made = objective("simcse", "cluster-filter", part, accepted_share=1.0)
    table = made(views).outcome.table
    in_batch, beside = (table.negative_BC[:, table.origins[name]] for name in ("batch", origin))
    assert torch.equal(beside, in_batch)
    own = torch.eye(ROWS, dtype=torch.bool)
    assert (~in_batch & ~own).any(), "nothing is tested"


def test_the_own_inner_vector_stays_where_the_text_is_a_copy_of_an_earlier_row() -> None:
    """A text is known by its first row, which is then another one than the row itself."""
    views = batch()
    assert views.row_ids is not None
    copied = TEXT_IDS.clone()
    copied[views.row_ids[2]] = copied[0]
    texts = copied[views.row_ids]
    inner = {"anchor@-2": views.anchor + 0.1, "positive@-2": views.positive + 0.1}
    views = replace(views.with_views(**inner), text_ids={"anchor": texts, "positive": texts})
    own = torch.eye(ROWS, dtype=torch.bool)
    for scope in ("all", "own"):
        made = objective(
            "sscl", "cluster-filter", num_layers=1, num_clusters=1, accepted_share=1.0, scope=scope
        )
        made.attach(
            Supplies(width=WIDTH, num_rows=CORPUS, num_training_rows=CORPUS, text_ids_N=copied, seed=1)
        )
        made.refresh(0, torch.arange(CORPUS), corpus())
        table = made(views).outcome.table
        for view in ("anchor", "positive"):
            kept = table.valid_BC[:, table.origins[f"layer-2_{view}"]]
            assert torch.equal(kept, own if scope == "all" else kept | True)


def test_more_clusters_than_rows_that_centroids_are_made_of_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clusters, "SAMPLED_ROWS", 20)
    assert default_clusters(CORPUS) == 5
    with pytest.raises(UsageError, match="num_clusters is 21, and the centroids are made of 20 rows"):
        objective(num_clusters=21, refreshed=False)
    objective(num_clusters=20)
    monkeypatch.undo()
    assert default_clusters(10**12) == clusters.SAMPLED_ROWS // 4


@pytest.mark.parametrize("other", ["dcl", "simcse"])
def test_attraction_is_refused_where_it_would_not_be_the_mean_over_the_positives(other: str) -> None:
    parts = ["cluster-filter", "mixed-negatives"] if other == "simcse" else ["cluster-filter"]
    recipe(other, parts)
    with pytest.raises(UsageError, match="false_negatives=attract"):
        recipe(other, parts, {"false_negatives": "attract"})
