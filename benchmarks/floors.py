"""The least that this machine allows: its rates of matrix products and of copying, and what a transformer must compute.

    python -m benchmarks floors

A floor is operations over the measured rate of matrix products plus, where a step also moves memory that no product
hides (the optimizer), bytes over the measured bandwidth. Operations are counted as multiplications and additions of
matrix products alone, each token once and no padding: what is cheaper than that computes something else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

#: Rows of a batch of 64 texts of 32 tokens: the shape of the training step that docs/results.md measures.
TOKENS = 64 * 32
SQUARE = 2048
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a transformer's matrix products depend on; gated: the feed-forward has a third matrix."""

    layers: int
    width: int
    feed_forward: int
    gated: bool = False
    #: Tokens that a token sees in most layers; 0: all of its text.
    window: int = 0
    #: Of so many layers one sees the whole text, where there is a window.
    whole_every: int = 1

    @classmethod
    def of(cls, config: Any) -> Shape:
        """From a configuration of transformers."""
        gated = config.model_type in ("modernbert", "nomic_bert", "eurobert")
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            feed_forward=getattr(config, "intermediate_size", None) or config.hidden_dim,
            gated=gated,
            window=getattr(config, "local_attention", 0) or 0,
            whole_every=getattr(config, "global_attn_every_n_layers", 1) or 1,
        )

    @property
    def weights_per_layer(self) -> int:
        """Numbers in the matrices of one layer: query, key, value, output, and the feed-forward's."""
        return 4 * self.width**2 + (3 if self.gated else 2) * self.width * self.feed_forward


def forward_operations(shape: Shape, lengths: Sequence[int]) -> int:
    """Operations of one forward pass over texts of so many tokens: 2 for each weight and token, 4 L² D for attention.

    >>> forward_operations(Shape(layers=1, width=4, feed_forward=8), [3])
    912
    """
    linear = 2 * shape.weights_per_layer * sum(lengths) * shape.layers
    whole = -(-shape.layers // shape.whole_every) if shape.window else shape.layers
    pairs = sum(length**2 for length in lengths)
    near = sum(length * min(length, shape.window) for length in lengths)
    return linear + 4 * shape.width * (whole * pairs + (shape.layers - whole) * near)


def training_operations(shape: Shape, lengths: Sequence[int]) -> int:
    """Forward and backward: each product of the forward pass has two in the backward pass."""
    return 3 * forward_operations(shape, lengths)


def optimizer_bytes(parameters: int) -> int:
    """AdamW in fp32 reads weights, gradients and two moments, and writes all but the gradients."""
    return 7 * 4 * parameters


@dataclass(frozen=True, kw_only=True)
class Rates:
    """operations: per second, by precision; bandwidth: bytes per second, read and written."""

    operations: dict[str, float]
    bandwidth: float

    def seconds(self, operations: float, precision: str = "fp32", moved_bytes: float = 0.0) -> float:
        """The floor of so many operations, and of bytes that are moved before or after them.

        >>> Rates(operations={"fp32": 100.0}, bandwidth=10.0).seconds(200, moved_bytes=5)
        2.5
        """
        return operations / self.operations[precision] + moved_bytes / self.bandwidth


def rates(shape: Shape | None = None, *, quick: bool = False) -> Rates:
    """Measured here and now: of each precision the best of the large square and of the encoder's own products.

    The best, because a floor must not be above what the machine can do.
    """
    size, repeats = (256, 3) if quick else (SQUARE, 7)
    operations = {}
    for name, dtype in DTYPES.items():
        operations[name] = product_rate([(size, size, size)], dtype, repeats)
        if shape is not None:
            operations[name] = max(operations[name], encoder_rate(shape, dtype, repeats, quick=quick))
    return Rates(operations=operations, bandwidth=copy_rate(repeats, 8 << 20 if quick else 256 << 20))


def encoder_rate(shape: Shape, dtype: torch.dtype, repeats: int, *, quick: bool = False) -> float:
    """Operations per second of one layer's matrices over a batch of tokens."""
    rows, out = (256 if quick else TOKENS), shape.feed_forward * (2 if shape.gated else 1)
    products = [(rows, shape.width, shape.width)] * 4
    return product_rate(
        [*products, (rows, shape.width, out), (rows, shape.feed_forward, shape.width)], dtype, repeats
    )


def product_rate(products: Sequence[tuple[int, int, int]], dtype: torch.dtype, repeats: int) -> float:
    """Operations per second of these products (M, K) by (K, N), one after the other: the best of so many repeats."""
    made = [(torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)) for m, k, n in products]
    outs = [torch.empty(left.shape[0], right.shape[1], dtype=dtype) for left, right in made]

    def multiply() -> None:
        for (left, right), out in zip(made, outs, strict=True):
            torch.mm(left, right, out=out)

    return sum(2 * m * k * n for m, k, n in products) / min(_seconds(multiply, repeats))


def copy_rate(repeats: int, size: int) -> float:
    """Bytes per second that a copy of so many bytes reads and writes."""
    source = torch.ones(size // 4)
    target = torch.empty_like(source)
    return 2 * size / min(_seconds(lambda: target.copy_(source), repeats))


def _seconds(call: Callable[[], object], repeats: int) -> list[float]:
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


def floor_of_a_step(corpus: str, size: int, max_length: int, *, quick: bool) -> tuple[str, float]:
    """(the precision, the seconds) of a step of minilm (two views, AdamW), at the machine's measured rates."""
    from benchmarks.data import text_batches
    from contrapose.encoder.encoder import Encoder
    from contrapose.train.precision import computes_in_bf16

    encoder = Encoder.load("minilm")
    shape = Shape.of(encoder.backbone.config)
    batches = text_batches(corpus, 8, size)
    lengths = [len(ids) for batch in batches for ids in encoder.token_ids(batch, max_length)]
    operations = 2 * training_operations(shape, lengths) / len(batches)
    moved = optimizer_bytes(sum(each.numel() for each in encoder.parameters()))
    measured = rates(shape, quick=quick)
    precision = "bf16" if computes_in_bf16(torch.device("cpu")) else "fp32"
    return precision, measured.seconds(operations, precision, moved)


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """The machine's rates, and what a product of the encoder's shapes reaches of them."""
    minilm = Shape(layers=6, width=384, feed_forward=1536)
    base = Shape(layers=12, width=768, feed_forward=3072)
    size, repeats = (256, 3) if quick else (SQUARE, 7)
    rows: list[dict[str, Any]] = []
    for name, dtype in DTYPES.items():
        square = product_rate([(size, size, size)], dtype, repeats)
        rows.append({"name": f"{name}, square of {size}, GFLOP/s", "measured": square / 1e9})
        for encoder, shape in {"minilm": minilm, "BERT base": base}.items():
            reached = encoder_rate(shape, dtype, repeats, quick=quick)
            rows.append({
                "name": f"{name}, products of {encoder}, GFLOP/s", "measured": reached / 1e9,
                "note": f"{reached / square:.0%} of the square's",
            })  # fmt: skip
    halves = [row["measured"] for row in rows if row["name"].startswith(("fp32, square", "bf16, square"))]
    rows.append({"name": "bf16 / fp32, squares", "measured": halves[1] / halves[0]})
    copied = copy_rate(repeats, 8 << 20 if quick else 256 << 20)
    rows.append({"name": "copying, GB/s read and written", "measured": copied / 1e9})
    step = 2 * training_operations(minilm, [32] * 64)
    rows.append({"name": "training step of minilm, 64 texts of 32 tokens, two views, GFLOP", "measured": step / 1e9,
                 "note": "counted"})  # fmt: skip
    return rows
