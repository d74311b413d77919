"""The tables of docs/how-to/scaling.md: what was measured on two processes, and what the formulas say of many GPUs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.scaling_model import BERT_BASE, H100, Machine, Shape, Work, efficiency, hours, memory, step
from contrapose.markdown_table import markdown_table

COUNTS = (8, 64, 512)
PER_GPU = Work()


def measured(path: Path) -> str:
    """What ``python -m benchmarks.scaling --results`` wrote."""
    if not path.exists():
        return "Not measured yet."
    report = json.loads(path.read_text(encoding="utf-8"))
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    keys = ("measured", "predicted", "floor", "times_floor", "rival", "note")
    rows = [[row["name"], *(_cell(row.get(key)) for key in keys)] for row in report["rows"]]
    header = ["what", "measured", "predicted", "floor", "times the floor", "rival", "how"]
    return "\n".join([f"Measured with {machine}:", "", *markdown_table(header, rows)])


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def table(
    machine: Machine = H100, shape: Shape = BERT_BASE, work: Work = PER_GPU, counts: Sequence[int] = COUNTS
) -> str:
    """Seconds of a step, its efficiency, and hours of a billion sentences."""
    rows = []
    for shared in (False, True):
        for count in counts:
            each = step(machine, shape, work, count, shared=shared)
            parts = (each.encoder, each.loss, each.gather, each.reduce, each.exposed, each.seconds)
            efficient = efficiency(machine, shape, work, count, shared=shared)
            rows.append([
                str(count), f"{each.batch:,}", "own rows" if shared else "whole", *map(_ms, parts),
                f"{each.communication:.0%}", f"{efficient:.0%}", f"{hours(each.seconds, each.batch):.1f}",
            ])  # fmt: skip
    header = [
        "GPUs", "batch", "loss of", "encoder, ms", "loss, ms", "gather, ms", "reduce, ms", "waited for, ms",
        "step, ms", "messages", "efficiency", "hours for 10^9",
    ]  # fmt: skip
    return "\n".join(markdown_table(header, rows, numbers=9))


def memory_table(shape: Shape = BERT_BASE, work: Work = PER_GPU, counts: Sequence[int] = COUNTS) -> str:
    """Gibibytes on each GPU, with the dense table of logits and with tiles of 1,024 columns."""
    rows = []
    for count in (1, *counts):
        for kind, tile in (("dense", None), ("tiled", 1_024)):
            parts = memory(shape, work, count, tile=tile)
            numbers = [f"{size / 2**30:.2f}" for size in (*parts.values(), sum(parts.values()))]
            rows.append([str(count), kind, *numbers])
    return "\n".join(markdown_table(["GPUs", "table", *parts, "all"], rows, numbers=len(parts) + 1))


def assumptions(machine: Machine = H100, shape: Shape = BERT_BASE, work: Work = PER_GPU) -> str:
    """What the tables assume, in words."""
    inside, between = machine.inside, machine.between
    return (
        f"{shape.name} ({shape.parameters / 1e6:.0f} million parameters), {work.rows} rows for each GPU, {work.views} "
        f"views of {work.tokens} tokens. {machine.name} of {machine.gpus_per_node} GPUs: NVLink "
        f"{inside.bandwidth / 1e9:.0f} GB/s a direction, {inside.latency * 1e6:.0f} microseconds; InfiniBand "
        f"{between.bandwidth / 1e9:.0f} GB/s for each GPU, {between.latency * 1e6:.0f} microseconds; "
        f"{machine.matrix_rate / 1e12:.0f} TFLOP/s of bf16, of which {machine.reached:.0%} is assumed to be reached; "
        f"the loss at {machine.loss_rate / 1e12:.0f} TFLOP/s of fp32; memory {machine.copies / 1e12:.2f} TB/s. Vectors "
        "and gradients travel in fp32."
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds < 0.1 else f"{seconds * 1e3:,.0f}"
