"""The formulas of scaling against loops that pass messages one by one, and what a page may claim of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.scaling_model import (
    BERT_BASE,
    H100,
    Link,
    Work,
    all_gather,
    all_reduce,
    efficiency,
    encoder_seconds,
    forward_operations,
    gather_over,
    hours,
    loss_seconds,
    memory,
    reduce_over,
    step,
)
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import scaling_tables

ROOT = Path(__file__).resolve().parent.parent
LINK = Link(latency=2.0, bandwidth=8.0)


def ring(values: list[list[float]], link: Link) -> tuple[list[list[float]], float]:
    """All-reduce of a piece for each member, message by message: what each has afterwards, and the seconds."""
    count, seconds = len(values), 0.0
    held = [list(own) for own in values]
    for turn in range(2 * (count - 1)):
        before = [list(each) for each in held]
        for rank in range(count):
            piece = (rank - turn) % count
            to = (rank + 1) % count
            adds = turn < count - 1
            held[to][piece] = before[rank][piece] + (before[to][piece] if adds else 0.0)
        seconds += link.seconds(1)  # all at once, a piece of one byte each
    return held, seconds


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_formula_of_a_ring_is_what_its_messages_take(count: int) -> None:
    values = [[float(10 * rank + piece) for piece in range(count)] for rank in range(count)]
    held, seconds = ring(values, LINK)
    summed = [sum(own[piece] for own in values) for piece in range(count)]
    if count > 1:
        assert held == [summed] * count
    assert all_reduce(count, count, LINK) == pytest.approx(seconds)
    assert all_gather(1, count, LINK) == pytest.approx(seconds / 2)


@given(st.sampled_from([1, 2, 8, 16, 64, 512]), st.floats(1, 1e9))
def test_messages_take_no_time_alone_and_never_less_with_more_bytes(count: int, size: float) -> None:
    for formula in (gather_over, reduce_over):
        taken = formula(H100, size, count)
        assert (taken == 0) == (count == 1)
        assert formula(H100, 2 * size, count) >= taken
    inside = H100.gpus_per_node
    if count <= inside:
        assert reduce_over(H100, size, count) == all_reduce(size, count, H100.inside)


def test_gpus_that_fill_no_node_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole number of nodes"):
        gather_over(H100, 1.0, 12)


def test_operations_are_those_of_a_count_by_hand() -> None:
    # BERT base, one text of 32 tokens: 85 million weights, and 12 layers of attention over 32 x 32 pairs.
    assert forward_operations(BERT_BASE, 1, 32) == 2 * 32 * 84_934_656 + 4 * 32 * 32 * 768 * 12
    assert encoder_seconds(H100, BERT_BASE, Work(chunk=16)) == pytest.approx(
        4 / 3 * encoder_seconds(H100, BERT_BASE, Work())
    )


def test_shares_of_the_loss_add_up_to_the_whole() -> None:
    whole = loss_seconds(H100, BERT_BASE, Work(), 64, shared=False)
    assert whole == pytest.approx(64 * loss_seconds(H100, BERT_BASE, Work(), 64, shared=True))


def test_a_step_is_never_faster_with_more_gpus_and_as_many_rows_each() -> None:
    for shared in (False, True):
        seconds = [step(H100, BERT_BASE, Work(), count, shared=shared).seconds for count in (1, 8, 64, 512)]
        assert seconds == sorted(seconds)
        assert 0 < efficiency(H100, BERT_BASE, Work(), 512, shared=shared) < 1
    each = step(H100, BERT_BASE, Work(chunk=16), 64)
    assert 0 < each.exposed <= each.reduce
    assert each.exposed > step(H100, BERT_BASE, Work(), 64).exposed, "the last chunk hides less"


def test_memory_of_the_dense_table_is_quadratic_and_of_tiles_linear() -> None:
    dense, twice = (memory(BERT_BASE, Work(), count) for count in (64, 128))
    assert twice["logits"] == 4 * dense["logits"]
    assert twice["gathered"] == 2 * dense["gathered"]
    assert twice["activations"] == dense["activations"]
    tiled = [memory(BERT_BASE, Work(), count, tile=1024)["logits"] for count in (64, 128)]
    assert tiled[0] == tiled[1]
    assert memory(BERT_BASE, Work(), 1)["message"] == 0


def test_hours_are_of_all_steps() -> None:
    assert hours(1.0, 1_000_000, 3_600_000_000) == 1.0


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    assert scaling_tables.measured(tmp_path / "none.json") == "Not measured yet."
    (tmp_path / "some.json").write_text(
        '{"machine": {"cores": 2}, "rows": [{"name": "a step", "measured": 0.51234, "rival": null, "note": "how"}]}'
    )
    shown = scaling_tables.measured(tmp_path / "some.json")
    assert "| a step | 0.5123 |" in shown
    assert "cores 2" in shown


def test_the_example_of_the_page_runs() -> None:
    page = (ROOT / "docs/how-to/scaling.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    subprocess.run(
        [sys.executable, "-c", example],
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    from benchmarks.scaling import measure

    rows = measure(quick=True)
    assert {"name", "predicted", "measured", "floor", "times_floor", "rival", "note"} == set(rows[0])
    shares = [row["measured"] for row in rows if "share" in row["name"]]
    assert all(0 < share < 1 for share in shares)
