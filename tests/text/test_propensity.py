"""Sampled pairs: weights of the formulas, draws in proportion to them, the own text where there is no candidate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contrapose.errors import UsageError
from contrapose.objectives.catalogue import method_named, recipe
from contrapose.text import propensity as module
from contrapose.text.propensity import SampledPairs
from contrapose.text.sampling import draw
from tests.reference import propensity, retrieval
from tests.text.rows import Rows, vectors
from tests.train.runs import texts as sentences

NUM, K = 60, 12
ROWS = np.setdiff1d(np.arange(NUM), [0, 7, 20])
TEXTS = sentences(NUM - 4) + sentences(NUM - 4)[1:5]  # four rows have a copy
X_ND = vectors(len(ROWS), width=4)
OWN = [TEXTS[row] for row in ROWS]


def made(corpus: Rows | None = None, **numbers: Any) -> SampledPairs:
    part, corpus = SampledPairs(**{"candidates": K, **numbers}), corpus or Rows(TEXTS)
    part.check(corpus, ROWS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, X_ND))
    return part


def drawn(part: SampledPairs, step: int = 0, seed: int = 0) -> dict[str, list[str]]:
    return part.texts(ROWS, {"text": OWN}, seed=seed, step=step)


def reference(**numbers: Any) -> tuple[list[list[int]], list[list[float]], list[list[float]]]:
    near = retrieval.neighbours(X_ND.tolist(), OWN, K)
    unit = X_ND / np.linalg.norm(X_ND, axis=1, keepdims=True)
    cosines = [[float(unit[row] @ unit[other]) for other in others] for row, others in enumerate(near)]
    options = {"floor": 0.1, "limit": 10.0, "unit": "characters", **numbers}
    quantiles = options.pop("quantiles", (0.0, 0.5, 0.9))
    return near, *propensity.weights(OWN, near, cosines, quantiles, **options)


@pytest.mark.parametrize(
    ("numbers", "of_reference"),
    [
        ({}, {}),
        ({"surface": "words"}, {"unit": "words"}),
        (
            {"positive_quantile": 0.6, "negative_low": 0.2, "negative_high": 0.4},
            {"quantiles": (0.2, 0.4, 0.6)},
        ),
        ({"propensity_floor": 0.9, "weight_limit": 1.5}, {"floor": 0.9, "limit": 1.5}),
        ({"even_lengths": True}, {"even_lengths": True}),
    ],
    ids=str,
)
def test_weights_are_those_of_the_loops(
    numbers: dict[str, Any], of_reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", 13)
    prepared = made(**numbers).prepared
    near, positives, negatives = reference(**of_reference)
    assert prepared["candidates"].tolist() == near
    for kind, expected in (("positive", positives), ("negative", negatives)):
        assert np.count_nonzero(expected) > 0
        assert prepared[kind] == pytest.approx(np.array(expected), rel=2e-3), kind


def test_draws_are_in_proportion_to_weights() -> None:
    weights = np.array([[1.0, 0.0, 3.0, 4.0]])
    counts = np.bincount(
        [int(draw(weights, np.random.default_rng(number))[0]) for number in range(3000)], minlength=4
    )
    assert counts[1] == 0
    assert counts / 3000 == pytest.approx(np.array([1, 0, 3, 4]) / 8, abs=0.03)


def test_positives_and_negatives_are_candidates_of_their_band_or_the_fallback() -> None:
    part = made()
    near, positives, negatives = reference()
    without = 0
    for step in range(40):
        views = drawn(part, step)
        assert views["anchor"] == OWN
        for row, own in enumerate(OWN):
            allowed = {OWN[n] for n, w in zip(near[row], positives[row], strict=True) if w}
            without += not allowed
            assert views["positive"][row] in (allowed or {own})
            negative = {OWN[n] for n, w in zip(near[row], negatives[row], strict=True) if w}
            assert views["negative_1"][row] in (negative or set(OWN) - {own})
            assert views["negative_1"][row] != own, "a copy is never a negative"
    assert 0 < without < 40 * len(OWN)


def test_a_text_with_the_same_letters_is_no_negative_and_held_out_rows_are_nobodys() -> None:
    shouted = [text if row % 2 else TEXTS[row - 1].upper() if row else text for row, text in enumerate(TEXTS)]
    corpus = Rows(shouted)
    part = made(corpus, candidates=40)
    own = [shouted[row] for row in ROWS]
    for step in range(10):
        views = part.texts(ROWS, {"text": own}, seed=0, step=step)
        for text, negative in zip(own, views["negative_1"], strict=True):
            assert text.casefold() != negative.casefold()
    assert not {0, 7, 20} & set(corpus.taken)


def test_draws_follow_seed_and_step_and_are_the_same_again() -> None:
    part = made()
    assert drawn(part) == drawn(made())
    assert len({tuple(drawn(part, step, seed)["positive"]) for step, seed in ((0, 0), (1, 0), (0, 1))}) == 3


def test_what_is_told_is_what_the_loops_count() -> None:
    part = made()
    near, positives, negatives = reference()
    unit = X_ND / np.linalg.norm(X_ND, axis=1, keepdims=True)
    for line, weights, kind in zip(
        part.facts(), (positives, negatives), ("positive", "negative"), strict=True
    ):
        some = [row for row, of_row in enumerate(weights) if any(of_row)]
        mean = np.mean([np.mean([w for w in weights[row] if w]) for row in some])
        cosine = np.mean(
            [
                sum(w * (unit[row] @ unit[n]) for n, w in zip(near[row], weights[row], strict=True))
                / sum(weights[row])
                for row in some
            ]
        )
        number = np.mean([np.count_nonzero(weights[row]) for row in some])
        assert line.startswith(
            f"{len(some) / len(OWN):.1%} of the rows have sampled {kind}s, from {number:.1f}"
        )
        assert f"mean weight {mean:.2f}, with a mean cosine of {cosine:.3f}" in line
    told = part.statistics(ROWS, seed=0, step=3)
    views = drawn(part, 3)
    assert told["sampled_positives"] == np.mean(
        [one != other for one, other in zip(views["positive"], OWN, strict=True)]
    )
    assert told["sampled_positive_cosine"] > told["sampled_negative_cosine"]


def test_rows_that_are_all_alike_keep_their_own_text_where_none_is_more_alike() -> None:
    part, corpus = SampledPairs(candidates=5), Rows(TEXTS)
    part.attach(corpus, ROWS, part.refresh(corpus, ROWS, np.ones((len(ROWS), 3), dtype=np.float32)))
    assert part.facts()[1] == "no row has a sampled negative: the others get any row"
    assert part.statistics(ROWS, seed=0, step=0)["sampled_negatives"] == 0
    assert all(negative != own for negative, own in zip(drawn(part)["negative_1"], OWN, strict=True))


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"negative_low": 0.4, "negative_high": 0.3}, "negative_low=0.4 must be below negative_high=0.3"),
        ({"positive_quantile": 0.4}, "positive_quantile"),
        ({"propensity_floor": 0}, "propensity_floor"),
        ({"surface": "bytes"}, "surface"),
    ],
    ids=str,
)
def test_numbers_that_contradict_are_refused_before_anything_is_loaded(
    numbers: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        recipe("debcse", (), numbers)


def test_fewer_rows_than_candidates_are_refused() -> None:
    with pytest.raises(UsageError, match="--set candidates=100 asks for more neighbours than the corpus has"):
        SampledPairs().check(Rows(TEXTS), ROWS)


def test_it_is_marked_as_a_reconstruction() -> None:
    assert method_named("debcse").departures[0].startswith("a reconstruction")
