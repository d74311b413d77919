"""A probe decides between bf16 and fp32: the faster one, within its time, told and kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contrapose.encoder.encoder import Encoder
from contrapose.train.environment import pick_precision
from contrapose.train.precision import (
    LEAST_GAIN,
    PATIENCE,
    STAGES,
    Choice,
    Probe,
    Shape,
    _layer,
    _shape_of,
    _timed_layer,
    compare,
    faster_on,
    faster_precision,
    in_words,
)

#: Seconds of fp32 for a token, and how many times as long bf16 takes.
Machine = tuple[float, float]


def clockwork(machine: Machine) -> tuple[Callable[[int, bool], float], list[tuple[int, bool]]]:
    """A layer whose time is known, and the list of what was computed."""
    per_token, slower = machine
    calls: list[tuple[int, bool]] = []

    def timed(tokens: int, bf16: bool) -> float:
        calls.append((tokens, bf16))
        return per_token * tokens * (slower if bf16 else 1)

    return timed, calls


def test_a_machine_that_is_faster_in_bf16_is_found_out_on_the_largest_stage() -> None:
    timed, calls = clockwork((5e-5, 0.4))
    probe = compare(timed)
    assert probe.gain == pytest.approx(2.5)
    assert probe.tokens == STAGES[-1]
    assert {tokens for tokens, _ in calls} == set(STAGES)
    assert in_words(probe).bf16


@pytest.mark.parametrize("slower", [20, 100, 300])
def test_a_machine_that_only_imitates_bf16_is_not_kept_at_it(slower: float) -> None:
    timed, calls = clockwork((1e-4, slower))  # a layer of a large model on an old processor
    probe = compare(timed)
    assert probe.gain == pytest.approx(1 / slower)
    assert max(tokens for tokens, _ in calls) <= STAGES[1]
    assert not in_words(probe).bf16


@given(per_token=st.floats(1e-7, 3e-4), slower=st.floats(0.1, 150))
def test_the_probe_keeps_to_its_time_and_to_the_ratio(per_token: float, slower: float) -> None:
    timed, _ = clockwork((per_token, slower))
    probe = compare(timed)
    first = STAGES[0] * per_token * (1 + slower)
    assert probe.seconds <= PATIENCE + first
    assert probe.gain == pytest.approx(1 / slower)


def test_a_slow_turn_among_fast_ones_does_not_count() -> None:
    turns = iter(range(10**6))

    def timed(tokens: int, bf16: bool) -> float:
        hiccup = 5.0 if next(turns) % 5 == 4 else 1.0
        return 1e-5 * tokens * hiccup * (0.5 if bf16 else 1)

    assert compare(timed).gain == pytest.approx(2)


def test_a_gain_that_may_be_chance_chooses_fp32() -> None:
    assert not in_words(Probe(LEAST_GAIN - 0.01, 512, 0.3)).bf16
    assert in_words(Probe(LEAST_GAIN, 512, 0.3)).bf16


def test_the_choice_says_why() -> None:
    assert str(in_words(Probe(2.14, 512, 0.41))) == "bf16 (2.1 times as fast as fp32 in a probe of 0.41 s)"
    assert "bf16 would be 0.3 times as fast" in str(in_words(Probe(0.3, 32, 0.2)))
    assert str(Choice(True)) == "bf16"


@pytest.mark.parametrize("training", [False, True])
def test_the_layer_computes_in_both_formats_and_says_how_long(training: bool) -> None:
    timed = _timed_layer(Shape(width=16, inner=32, heads=2), training)
    assert all(timed(tokens, bf16) > 0 for tokens in (4, 64) for bf16 in (False, True))


def test_the_layers_of_both_formats_are_the_same_layer() -> None:
    shape = Shape(width=16, inner=32, heads=2)
    random = torch.Generator().manual_seed(0)
    sizes = ((48, 16), (16, 16), (32, 16), (16, 32))
    weights = [torch.randn(size, generator=random) / 4 for size in sizes]
    tokens_NTD = torch.randn(2, 8, 16, generator=random)
    exact = _layer(tokens_NTD, weights, shape)
    lower = _layer(tokens_NTD, [weight.bfloat16() for weight in weights], shape)
    assert exact.dtype == lower.dtype == torch.float32
    assert 0 < (exact - lower).abs().max() < 0.1


def test_the_shapes_are_those_of_the_encoder(encoder: Encoder) -> None:
    assert _shape_of(encoder) == Shape(width=32, inner=64, heads=2)


def test_a_verdict_is_made_once(encoder: Encoder) -> None:
    assert faster_precision(encoder, training=True) is faster_precision(encoder, training=True)
    usual = faster_on(torch.device("cpu"))
    assert usual is faster_on(torch.device("cpu"))
    assert usual.why
    assert pick_precision("auto", torch.device("cpu")) == usual.bf16


def test_what_was_asked_for_is_not_questioned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "contrapose.train.environment.faster_on", lambda _device: pytest.fail("it was probed")
    )
    assert pick_precision("bf16", torch.device("cpu"))
    assert not pick_precision("fp32", torch.device("cpu"))
