"""Positives and negatives from the corpus, drawn so that neither letters nor lengths give them away.

    b_ij = (1 + cos_ij) / 2                       how alike rows i and j are to the pretrained model
    a_ij                                          how alike they are in letters or words (text/surface.py)
    positives of row i:  b_ij in the highest part      weight  b_ij / max(a_ij, floor)    near in meaning, not in words
    negatives of row i:  b_ij in the lower part        weight  a_ij / max(b_ij, floor)    near in words, not in meaning

Both are sought among a row's nearest other texts; "highest" and "lower" are quantiles of b over all rows and their
candidates. Dividing by the other similarity is inverse propensity weighting: a pair that looks alike would be drawn
more often than its meaning deserves, so it counts less. Weights are clipped to [1 / limit, limit] and drawn from anew
at every step. A row without a candidate keeps its own text as positive (a dropout view), or gets any row as negative.

A reconstruction after Miao, Du and Zhang 2023, "DebCSE: Rethinking Unsupervised Contrastive Sentence Embedding Learning
in the Debiasing Perspective", CIKM; https://arxiv.org/abs/2309.07396. The paper's own formulas and numbers were not at
hand, and no code was published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from contrapose.contract import TextPart, TextRows, first_texts
from contrapose.seeds import numpy_generator
from contrapose.text.neighbours import (
    NeighboursBy,
    RefreshNeighbours,
    check_neighbours,
    keys_of,
    neighbours_in_blocks,
    other_rows,
)
from contrapose.text.sampling import Bands, draw, expected, length_weights, negative_weights, positive_weights
from contrapose.text.surface import Unit, grams_of, surface_similarity

#: Rows whose weights are computed together.
ROWS_PER_BLOCK = 2_048
#: What is told of the sampler, in this order: for positives, then for negatives.
TOLD = ("rows", "candidates", "weight", "cosine", "surface")


class SampledPairs(TextPart):
    """The anchor is the row's text; its positive and a negative are other texts, drawn by two similarities."""

    name = "propensity-pairs"
    idea = "Positives near in meaning but not in words, and negatives near in words but not in meaning, are sampled."
    gives = ("anchor", "positive", "negative_1")
    needs_dropout = True  # of rows without a positive of their own
    advice = (
        "A sampled positive may mean something else than its row: try a higher --set positive_quantile or a lower "
        "--learning-rate, and judge with labels (--dev-data, contrapose evaluate)."
    )

    def __init__(
        self,
        *,
        candidates: Annotated[
            int, Field(ge=1, description="nearest other texts of a row, among which its pairs are sought")
        ] = 100,
        positive_quantile: Annotated[
            float,
            Field(
                ge=0.5, le=1, description="positives are at least as alike as this share of all candidates"
            ),
        ] = 0.9,
        negative_low: Annotated[
            float,
            Field(
                ge=0, lt=0.5, description="negatives are at least as alike as this share of all candidates"
            ),
        ] = 0.0,
        negative_high: Annotated[
            float, Field(gt=0, le=0.5, description="negatives are less alike than the rest above this share")
        ] = 0.5,
        propensity_floor: Annotated[
            float, Field(gt=0, le=1, description="a similarity below this divides as this")
        ] = 0.1,
        weight_limit: Annotated[
            float, Field(ge=1, le=1000, description="weights are clipped to between 1 / this and this")
        ] = 10.0,
        surface: Annotated[
            Unit, Field(description="what surface similarity counts: runs of three, or words")
        ] = ("characters"),
        even_lengths: Annotated[
            bool, Field(description="weigh pairs so that all differences in length are drawn alike")
        ] = False,
        refresh_neighbours: RefreshNeighbours = 0,
        neighbours_by: NeighboursBy = "exact",
    ) -> None:
        if negative_low >= negative_high:
            raise ValueError(f"negative_low={negative_low:g} must be below negative_high={negative_high:g}")
        self.num_candidates, self.neighbours_by = candidates, neighbours_by
        self.quantiles = (negative_low, negative_high, positive_quantile)
        self.floor, self.limit, self.unit, self.even_lengths = (
            propensity_floor,
            weight_limit,
            surface,
            even_lengths,
        )
        self.refresh_every = refresh_neighbours or None

    def check(self, corpus: TextRows, rows_N: np.ndarray) -> None:
        check_neighbours(len(rows_N), self.num_candidates, self.neighbours_by, what="--set candidates")

    def refresh(self, corpus: TextRows, rows_N: np.ndarray, vectors_ND: np.ndarray) -> dict[str, np.ndarray]:
        """(N, K) each: ``candidates``, positions in ``rows_N`` or -1; their ``cosines``; their weights as ``positive``
        and as ``negative``, 0 for none. ``keys`` (N,); ``told``: a row of :data:`TOLD` for each of the two."""
        keys_N = keys_of(corpus, rows_N)
        candidates_NK = np.empty((len(rows_N), self.num_candidates), dtype=np.int32)
        cosine_NK = np.empty(candidates_NK.shape, dtype=np.float32)
        for block, near in neighbours_in_blocks(
            vectors_ND, keys_N, self.num_candidates, by=self.neighbours_by
        ):
            candidates_NK[block], cosine_NK[block] = near.rows_QK, near.scores_QK
        cosine_NK[candidates_NK < 0] = np.nan
        bands = Bands.of((1 + cosine_NK) / 2, self.quantiles)
        texts = [text for _, texts in first_texts(corpus, rows_N) for text in texts]
        grams = grams_of(texts, self.unit)
        even = (
            length_weights([len(text.split()) for text in texts], candidates_NK)
            if self.even_lengths
            else None
        )
        weights = {kind: np.zeros(candidates_NK.shape, dtype=np.float16) for kind in ("positive", "negative")}
        sums: dict[str, np.ndarray] = {kind: np.zeros(1 + len(TOLD)) for kind in weights}
        for start in range(0, len(rows_N), ROWS_PER_BLOCK):
            rows = np.arange(start, min(start + ROWS_PER_BLOCK, len(rows_N)))
            a_QK = surface_similarity(grams, rows, candidates_NK[rows])
            b_QK = (1 + cosine_NK[rows]) / 2
            further_QK = 1.0 if even is None else even(rows)
            for kind, weigh in (("positive", positive_weights), ("negative", negative_weights)):
                w_QK = weigh(a_QK, b_QK, bands, floor=self.floor, limit=self.limit, further=further_QK)
                weights[kind][rows] = w_QK
                sums[kind] += expected(w_QK, np.nan_to_num(cosine_NK[rows]), a_QK)
        return {
            "candidates": candidates_NK,
            "cosines": np.nan_to_num(cosine_NK).astype(np.float16),
            **weights,
            "keys": keys_N,
            "told": np.stack([_means(sums[kind]) for kind in ("positive", "negative")]),
        }

    def attach(self, corpus: TextRows, rows_N: np.ndarray, prepared: Mapping[str, np.ndarray]) -> None:
        self.corpus, self.rows_N, self.prepared = corpus, rows_N, prepared

    def texts(
        self, rows: Sequence[int], columns: Mapping[str, list[str]], *, seed: int, step: int
    ) -> dict[str, list[str]]:
        (own,) = columns.values()
        positions_B, drawn = np.searchsorted(self.rows_N, rows), self._drawn(rows, seed, step)
        anything_B = other_rows(self.prepared["keys"], positions_B, seed=seed, path=("any row", step))
        positive_B = np.where(drawn["positive"][0] < 0, positions_B, drawn["positive"][0])
        negative_B = np.where(drawn["negative"][0] < 0, anything_B, drawn["negative"][0])
        texts, *_ = self.corpus.take(self.rows_N[np.concatenate([positive_B, negative_B])]).values()
        return {"anchor": own, "positive": texts[: len(own)], "negative_1": texts[len(own) :]}

    def statistics(self, rows: Sequence[int], *, seed: int, step: int) -> dict[str, float]:
        """``sampled_positives``, ``sampled_negatives``: the share of rows that have one; and their mean cosines to the
        row, as the sampler saw them."""
        told: dict[str, float] = {}
        for kind, (chosen_B, cosine_B) in self._drawn(rows, seed, step).items():
            told[f"sampled_{kind}s"] = float((chosen_B >= 0).mean())
            if (chosen_B >= 0).any():
                told[f"sampled_{kind}_cosine"] = float(cosine_B[chosen_B >= 0].mean())
        return told

    def facts(self) -> list[str]:
        lines, without = [], ("the others keep their own text, with other dropout", "the others get any row")
        for kind, told, otherwise in zip(
            ("positive", "negative"), self.prepared["told"], without, strict=True
        ):
            rows, candidates, weight, cosine, alike = told
            if not rows:
                lines.append(f"no row has a sampled {kind}: {otherwise}")
                continue
            lines.append(
                f"{rows:.1%} of the rows have sampled {kind}s, from {candidates:.1f} candidates of mean weight "
                f"{weight:.2f}, with a mean cosine of {cosine:.3f} and a surface similarity of {alike:.3f}; {otherwise}"
            )
        return lines

    def _drawn(self, rows: Sequence[int], seed: int, step: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Kind -> (B,) positions in the training rows, -1 for none, and (B,) their cosines."""
        positions_B = np.searchsorted(self.rows_N, rows)
        candidates_BK, cosine_BK = (self.prepared[name][positions_B] for name in ("candidates", "cosines"))
        drawn = {}
        for kind in ("positive", "negative"):
            rng = numpy_generator(seed, "propensity-pairs", kind, step)
            chosen_B = draw(np.asarray(self.prepared[kind][positions_B]), rng)
            at = (np.arange(len(chosen_B)), np.maximum(chosen_B, 0))
            drawn[kind] = (
                np.where(chosen_B < 0, -1, candidates_BK[at].astype(np.int64)),
                cosine_BK[at].astype(float),
            )
        return drawn


def _means(sums: np.ndarray) -> np.ndarray:
    """From sums over rows, :data:`TOLD`: the share of rows with a candidate, and means over those rows."""
    rows, with_some, *others = sums
    return np.array([with_some / rows, *(total / max(1.0, with_some) for total in others)])


TEXT_PART = SampledPairs
