"""The comparison of two encoders on a sample of text, against loops and known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contrapose.backends.check import Checked, compare, neighbours_kept, probe_of
from contrapose.errors import ModelError
from contrapose.evaluate.vectors import unit_rows

GOOD = Checked(
    backend="onnx",
    precision="int8",
    texts=9,
    cosine_mean=0.99,
    cosine_least=0.9,
    asked="halves",
    found_before=50.0,
    found_after=49.8,
    sts_before=80.0,
    sts_after=79.7,
)


class Drawn:
    """A random vector for each text; ``noise`` moves it."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise

    def encode(self, texts: Sequence[str], **_: Any) -> np.ndarray:
        rows = []
        for text in texts:
            words = [np.random.default_rng(abs(hash_of(word))).normal(size=16) for word in text.split()]
            rows.append(np.sum(words, axis=0) + self.noise * np.random.default_rng(len(text)).normal(size=16))
        return np.array(rows, np.float32)


def hash_of(word: str) -> int:
    return int.from_bytes(word.encode()[:8].ljust(8), "big")


TEXTS = [" ".join(f"w{row}x{place}" for place in range(10)) for row in range(60)]


def test_equal_encoders_lose_nothing() -> None:
    checked = compare(Drawn(), Drawn(), TEXTS, backend="onnx", precision="fp32")  # type: ignore[arg-type]
    assert checked.cosine_mean == pytest.approx(1)
    assert checked.neighbours == 1
    assert checked.found_before == checked.found_after
    assert checked.found_before is not None
    assert checked.problem() == ""
    assert "STS" in checked.unmeasured()[0]


def test_noise_is_seen_and_the_cosine_is_that_of_a_loop() -> None:
    one, two = Drawn(), Drawn(3.0)
    checked = compare(one, two, TEXTS, backend="onnx", precision="int8")  # type: ignore[arg-type]
    cosines = []
    for text in TEXTS:
        first, second = one.encode([text])[0], two.encode([text])[0]
        cosines.append(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
    assert checked.cosine_mean == pytest.approx(np.mean(cosines), abs=1e-6)
    assert checked.cosine_least == pytest.approx(np.min(cosines), abs=1e-6)
    assert checked.problem()


def test_neighbours_are_those_of_a_loop() -> None:
    generator = np.random.default_rng(0)
    one_ND = unit_rows(generator.normal(size=(40, 8)), np.float64)
    two_ND = unit_rows(one_ND + 0.3 * generator.normal(size=(40, 8)), np.float64)
    kept = 0
    for row in range(40):
        near = [
            set(sorted((other for other in range(40) if other != row), key=lambda o: -(v[row] @ v[o]))[:10])
            for v in (one_ND, two_ND)
        ]
        kept += len(near[0] & near[1])
    assert 0 < kept < 400
    assert neighbours_kept(one_ND, two_ND) == pytest.approx(kept / 400)
    assert neighbours_kept(one_ND[:5], two_ND[:5]) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cosine_mean": 0.9}, "mean cosine"),
        ({"cosine_mean": float("nan")}, "mean cosine"),
        ({"sts_after": 79.4}, "STS falls by 0.60 points"),
        ({"sts_after": float("nan")}, "STS falls"),
        ({"found_after": 48.0}, "falls by 2.00 points"),
        ({"precision": "fp32"}, "0.9999 is the least"),
    ],
)
def test_what_lost_more_than_it_may_is_refused(change: dict[str, Any], said: str) -> None:
    GOOD.refuse()
    with pytest.raises(ModelError, match=said):
        replace(GOOD, **change).refuse()


def test_more_may_be_lost_where_it_is_allowed_or_could_be_chance() -> None:
    assert replace(GOOD, sts_after=79.4).problem(max_loss=1) == ""
    assert replace(GOOD, found_after=48.0, found_se=1.5).problem() == ""


def test_texts_that_are_too_few_or_short_ask_nothing() -> None:
    assert probe_of(TEXTS[:5]) is None
    assert probe_of(["short"] * 50) is None
    probe = probe_of(TEXTS)
    assert probe is not None
    assert probe.kind == "halves"
