"""The papers' equations as plain Python loops over lists of numbers: slow, and as close to the page as it gets.

Nothing here imports contrapose or torch, so an error there cannot hide here. Vectors are lists of floats; ``struck`` is
a set of (row, column) of in-batch columns that are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Vector = Sequence[float]
Struck = frozenset[tuple[int, int]]
NOTHING: Struck = frozenset()


def inner(u: Vector, v: Vector) -> float:
    return sum(a * b for a, b in zip(u, v, strict=True))


def length(u: Vector) -> float:
    return math.sqrt(inner(u, u))


def cosine(u: Vector, v: Vector) -> float:
    return inner(u, v) / (max(length(u), 1e-12) * max(length(v), 1e-12))


def unit(u: Vector) -> list[float]:
    return [a / max(length(u), 1e-12) for a in u]


def add(share_u: float, u: Vector, share_v: float, v: Vector) -> list[float]:
    return [share_u * a + share_v * b for a, b in zip(u, v, strict=True)]


def minus_log_share(positive: float, negatives: Sequence[float]) -> float:
    """-log exp(positive) / (exp(positive) + sum exp(negatives))."""
    largest = max([positive, *negatives])
    denominator = sum(math.exp(logit - largest) for logit in [positive, *negatives])
    return -(positive - largest - math.log(denominator))


def simcse(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    given: Sequence[Sequence[Vector]] = (),
    *,
    temperature: float = 0.05,
    hard_negative_weight: float = 0.0,
    extra: Sequence[Sequence[float]] | None = None,
    struck: Struck = NOTHING,
) -> list[float]:
    """One loss per row. ``given[b][j]`` is row j's negative number b; ``extra[i]`` further cosines of row i."""
    losses = []
    for i, anchor in enumerate(anchors):
        negatives = []
        for j, positive in enumerate(positives):
            if j != i and (i, j) not in struck:
                negatives.append(cosine(anchor, positive) / temperature)
        for block in given:
            for j, negative in enumerate(block):
                weight = hard_negative_weight if j == i else 0.0
                negatives.append(cosine(anchor, negative) / temperature + weight)
        negatives += [value / temperature for value in (extra[i] if extra else [])]
        losses.append(minus_log_share(cosine(anchor, positives[i]) / temperature, negatives))
    return losses


def focal_positive(p: float, *, modulate: bool = True, positive_map: str = "paper") -> float:
    if not modulate:
        return p
    return p * abs(p) if positive_map == "signed" else p * p


def focal_negative(n: float, margin: float, *, modulate: bool = True, negative_map: str = "paper") -> float:
    if not modulate:
        return n
    if negative_map == "clamped" and n < -margin / 2:
        return -margin * margin / 4
    return n * (n + margin)


def focal(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    given: Sequence[Sequence[Vector]] = (),
    *,
    temperature: float = 0.05,
    margin: float = 0.3,
    modulate_positive: bool = True,
    modulate_negative: bool = True,
    negative_map: str = "paper",
    positive_map: str = "paper",
    detach_modulation: bool = False,  # changes the gradient only
    extra: Sequence[Sequence[float]] | None = None,
    struck: Struck = NOTHING,
) -> list[float]:
    losses = []
    for i, anchor in enumerate(anchors):
        cosines = [cosine(anchor, u) for j, u in enumerate(positives) if j != i and (i, j) not in struck]
        cosines += [cosine(anchor, u) for block in given for u in block]
        cosines += list(extra[i]) if extra else []
        negatives = [
            focal_negative(n, margin, modulate=modulate_negative, negative_map=negative_map) / temperature
            for n in cosines
        ]
        own = cosine(anchor, positives[i])
        positive = focal_positive(own, modulate=modulate_positive, positive_map=positive_map)
        losses.append(minus_log_share(positive / temperature, negatives))
    return losses


def hardest(anchors: Sequence[Vector], positives: Sequence[Vector], i: int, struck: Struck) -> int | None:
    best, best_cosine = None, -math.inf
    for j, positive in enumerate(positives):
        if j != i and (i, j) not in struck and cosine(anchors[i], positive) > best_cosine:
            best, best_cosine = j, cosine(anchors[i], positive)
    return best


def pm_shares(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    *,
    near_mode: str = "similarity",
    near_weight: float = 0.2,
    gap_threshold: float = 0.1,
    columns: str = "mixed",
    search_objective: str = "paper",
    search_angles: int = 16,
    max_share: float = 1.0,
    raw_vectors: bool = False,
    temperature: float = 0.05,
    struck: Struck = NOTHING,
) -> tuple[list[float], list[int]]:
    """The share of the hardest negative in each row's positive, and which negative that is."""
    shares, partners, near = [], [], []
    for i in range(len(anchors)):
        h = hardest(anchors, positives, i, struck)
        partners.append(0 if h is None else h)
        if h is None:
            shares.append(0.0)
            continue
        d1, d2 = cosine(anchors[i], positives[i]), cosine(anchors[i], positives[h])
        ratio = d2 / (d1 + d2) if d1 > 1e-6 and d2 > 1e-6 else 0.0
        if d1 <= d2:
            shares.append(ratio)
        elif (d1 - d2) / max(d1, 1e-6) <= gap_threshold:
            near.append(i)
            shares.append(near_weight if near_mode == "fixed" else ratio)
        else:
            shares.append(0.0)
    if near_mode == "search" and near:
        best, best_score = 0.0, math.inf
        for number in range(search_angles):
            phi = math.atan2(max_share, 1 - max_share) * number / (search_angles - 1)
            w1, w2 = math.cos(phi), math.sin(phi)
            tried = [w2 / (w1 + w2) if i in near else share for i, share in enumerate(shares)]
            score = search_score(
                anchors,
                positives,
                tried,
                partners,
                columns,
                search_objective,
                temperature,
                struck,
                raw_vectors,
            )
            if score < best_score:
                best, best_score = w2 / (w1 + w2), score
        shares = [best if i in near else share for i, share in enumerate(shares)]
    return shares, partners


def mixed_positives(
    positives: Sequence[Vector], shares: Vector, partners: Sequence[int], raw_vectors: bool = False
) -> list[list[float]]:
    """The published code mixes the vectors as they are; ours their directions."""
    vectors = [list(u) if raw_vectors else unit(u) for u in positives]
    return [
        add(1 - share, vectors[i], share, vectors[h])
        for i, (share, h) in enumerate(zip(shares, partners, strict=True))
    ]


def search_score(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    shares: Vector,
    partners: Sequence[int],
    columns: str,
    search_objective: str,
    temperature: float,
    struck: Struck = NOTHING,
    raw_vectors: bool = False,
) -> float:
    """What the search makes small, with every mixture built: J of the published code, or minus the margin."""
    mixed = mixed_positives(positives, shares, partners, raw_vectors)
    rows = len(anchors)
    margins, ranks = [], []
    for i in range(rows):
        table = [
            cosine(anchors[i], mixed[j] if columns == "mixed" or j == i else positives[j])
            for j in range(rows)
        ]
        others = [table[j] for j in range(rows) if j != i and (i, j) not in struck]
        margins.append(table[i] - sum(others) / max(1, len(others)))
        ranks.append(1 + sum(other > table[i] - 1e-6 for other in others))  # equal is above
    if search_objective == "max-margin":
        return -sum(margins) / rows
    return sum(margins) / rows / temperature + sum(ranks) / rows


def pm(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    *,
    temperature: float = 0.05,
    columns: str = "mixed",
    raw_vectors: bool = False,
    struck: Struck = NOTHING,
    map_positive: Callable[[float], float] = float,
    map_negative: Callable[[float], float] = float,
    **switches: object,
) -> list[float]:
    """HNCSE-PM: the softmax over mixed positives. ``map_*`` act on cosines, for composition with Focal-InfoNCE."""
    shares, partners = pm_shares(
        anchors,
        positives,
        temperature=temperature,
        columns=columns,
        raw_vectors=raw_vectors,
        struck=struck,
        **switches,  # type: ignore[arg-type]
    )
    mixed = mixed_positives(positives, shares, partners, raw_vectors)
    losses = []
    for i, anchor in enumerate(anchors):
        negatives = []
        for j in range(len(anchors)):
            if j != i and (i, j) not in struck:
                column = mixed[j] if columns == "mixed" else positives[j]
                negatives.append(map_negative(cosine(anchor, column)) / temperature)
        losses.append(minus_log_share(map_positive(cosine(anchor, mixed[i])) / temperature, negatives))
    return losses


def hnm_parents(
    anchor: Vector, pool: Sequence[Vector], k: int, forbidden: frozenset[int] = frozenset()
) -> list[int]:
    """The k members of the pool nearest to the anchor, nearest first, without the forbidden."""
    allowed = [j for j in range(len(pool)) if j not in forbidden]
    return sorted(allowed, key=lambda j: -cosine(anchor, pool[j]))[:k]


def hnm_mixture(anchor: Vector, u: Vector, v: Vector, alpha: float, raw_vectors: bool = False) -> float:
    """Cosine of the anchor with the mixture, which is built; of the vectors as they are, as the published code does."""
    return cosine(anchor, add(alpha, u if raw_vectors else unit(u), 1 - alpha, v if raw_vectors else unit(v)))


def hnm_cosines(
    anchors: Sequence[Vector],
    positives: Sequence[Vector],
    *,
    k: int = 10,
    alpha: float = 0.5,
    queue: Sequence[Vector] = (),
    use_batch: bool = True,
    raw_vectors: bool = False,
    struck: Struck = NOTHING,
) -> list[list[float]]:
    """Cosines of each row with all k(k-1)/2 mixtures of its hardest negatives; alpha goes to the harder parent."""
    pool = [*(positives if use_batch else ()), *queue]
    every = []
    for i, anchor in enumerate(anchors):
        forbidden = {i} | {j for row, j in struck if row == i} if use_batch else set()
        parents = hnm_parents(anchor, pool, k, frozenset(forbidden))
        every.append(
            [
                hnm_mixture(anchor, pool[x], pool[y], alpha, raw_vectors)
                for a, x in enumerate(parents)
                for y in parents[a + 1 :]
            ]
        )
    return every
