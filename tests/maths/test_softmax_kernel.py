"""The kernels for GPUs, run in Triton's interpreter by a process of its own, and compiled for a card without one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from contrapose.maths import softmax_kernel
from contrapose.maths.struck import Struck
from contrapose.maths.tiled_columns import LogitMap, TiledColumns
from tests.waiting import PATIENCE

needs_triton = pytest.mark.skipif(
    not softmax_kernel.is_installed(),
    reason="Triton is not installed (pip install triton): kernels not tried",
)


def of_another_process(module: str, **environment: str) -> str:
    """What it printed last. Triton reads its environment as it is imported."""
    ended = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout.strip().splitlines()[-1]


@needs_triton
def test_the_kernels_give_the_sums_and_gradients_of_the_tiles() -> None:
    assert (
        of_another_process("tests.maths.kernels_interpreted", TRITON_INTERPRET="1") == "20 blocks are equal"
    )


@needs_triton
def test_the_kernels_compile_for_a_card_that_is_not_here() -> None:
    assert (
        of_another_process("tests.maths.kernels_compiled", TRITON_INTERPRET="0") == "6 kernels are compiled"
    )


def test_without_a_gpu_the_tiles_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    plain = TiledColumns(maps=(LogitMap(temperature=0.05),))
    assert not softmax_kernel.serves(torch.zeros(1, 2), plain)


@pytest.mark.parametrize(
    ("block", "known"),
    [
        (TiledColumns(maps=(LogitMap(temperature=0.05),)), True),
        (TiledColumns(maps=(LogitMap(temperature=0.05),), log_weight=torch.zeros(3)), True),
        (
            TiledColumns(
                maps=(LogitMap(temperature=0.05),), struck=Struck(pairs=((torch.zeros(1), torch.zeros(3)),))
            ),
            True,
        ),
        (TiledColumns(maps=(LogitMap(temperature=0.05, function=torch.square),)), False),
        (TiledColumns(maps=(LogitMap(temperature=0.05), LogitMap(temperature=0.1))), False),
        (TiledColumns(maps=(LogitMap(temperature=0.05),), valid=torch.ones(1, 3).bool()), False),
        (TiledColumns(maps=(LogitMap(temperature=0.05),), log_weight=torch.zeros(2, 3)), False),
        (TiledColumns(maps=(LogitMap(temperature=0.05),), log_weight=torch.zeros(2, 1)), False),
    ],
)
def test_the_kernels_take_what_they_know(block: TiledColumns, known: bool) -> None:
    assert softmax_kernel.knows(torch.float32, block) == known
    assert not softmax_kernel.knows(torch.float64, block)
