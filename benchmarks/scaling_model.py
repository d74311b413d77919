"""What many GPUs would do: seconds and bytes of a training step by formulas, for machines whose rates are stated.

Nothing here is measured. Every function is one formula of numbers; benchmarks/scaling_tables.py puts them together for
docs/how-to/scaling.md.

    message of m bytes over a link            alpha + m / beta             seconds (latency, bandwidth)
    ring all-gather, n members, m bytes each  (n - 1) (alpha + m / beta)
    ring all-reduce, n members, m bytes       2 (n - 1) (alpha + m / (n beta))

Over nodes, what is gathered or reduced inside a node goes over its fast links, and each GPU speaks to its counterparts
in the other nodes over its own network card.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Link:
    """latency in seconds, bandwidth in bytes per second and direction."""

    latency: float
    bandwidth: float

    def seconds(self, size: float) -> float:
        """
        >>> Link(latency=1.0, bandwidth=100.0).seconds(200)
        3.0
        """
        return self.latency + size / self.bandwidth


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Nodes of GPUs. ``matrix_rate``: bf16 operations per second of one GPU at its best; ``reached``: the share of it
    that an encoder is assumed to reach; ``loss_rate``: operations per second of the loss, which is in fp32; ``copies``:
    bytes per second of its memory."""

    name: str
    gpus_per_node: int
    inside: Link
    between: Link
    matrix_rate: float
    reached: float
    loss_rate: float
    copies: float


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An encoder, as its costs depend on it."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    vocabulary: int
    positions: int = 512

    @property
    def matrices(self) -> int:
        """Numbers in the matrices of all layers: four of D x D, two of D x F."""
        return self.layers * (4 * self.width**2 + 2 * self.width * self.feed_forward)

    @property
    def tables(self) -> int:
        """Numbers in the embeddings of words and positions."""
        return (self.vocabulary + self.positions) * self.width

    @property
    def parameters(self) -> int:
        """Matrices and tables; biases and norms are left out."""
        return self.matrices + self.tables


@dataclass(frozen=True, kw_only=True)
class Work:
    """rows: of a batch for each GPU; views of each; tokens of a text; chunk: texts per forward pass, None for all."""

    rows: int = 128
    views: int = 2
    tokens: int = 32
    chunk: int | None = None

    @property
    def texts(self) -> int:
        return self.rows * self.views


#: Rates as the makers state them: NVLink 4 (900 GB/s, both directions), one 400 Gb/s card for each GPU, H100 SXM dense.
H100 = Machine(
    name="H100 nodes",
    gpus_per_node=8,
    inside=Link(latency=5e-6, bandwidth=450e9),
    between=Link(latency=10e-6, bandwidth=50e9),
    matrix_rate=989e12,
    reached=0.4,
    loss_rate=50e12,
    copies=3.35e12,
)
BERT_BASE = Shape(name="BERT base", layers=12, width=768, feed_forward=3072, heads=12, vocabulary=30_522)
SENTENCES = 1_000_000_000


def all_gather(size: float, count: int, link: Link) -> float:
    """Seconds until each of ``count`` members has the ``size`` bytes of every other.

    >>> all_gather(100, 1, Link(latency=1.0, bandwidth=100.0)), all_gather(100, 3, Link(latency=1.0, bandwidth=100.0))
    (0.0, 4.0)
    """
    return (count - 1) * link.seconds(size)


def all_reduce(size: float, count: int, link: Link) -> float:
    """Seconds until each of ``count`` members has the sum of ``size`` bytes.

    >>> all_reduce(300, 3, Link(latency=1.0, bandwidth=100.0))
    8.0
    """
    return 2 * (count - 1) * link.seconds(size / count)


def gather_over(machine: Machine, size: float, count: int) -> float:
    """All-gather of ``size`` bytes of each of ``count`` GPUs: over the nodes first, then what came inside each."""
    inside, nodes = _shape(machine, count)
    return all_gather(size, nodes, machine.between) + all_gather(nodes * size, inside, machine.inside)


def reduce_over(machine: Machine, size: float, count: int) -> float:
    """All-reduce: summed inside each node, the shares summed over the nodes, then handed round inside again."""
    inside, nodes = _shape(machine, count)
    return all_reduce(size, inside, machine.inside) + all_reduce(size / inside, nodes, machine.between)


def _shape(machine: Machine, count: int) -> tuple[int, int]:
    inside = min(count, machine.gpus_per_node)
    if count % inside:
        raise ValueError(f"{count} GPUs are no whole number of nodes of {inside}")
    return inside, count // inside


def forward_operations(shape: Shape, texts: int, tokens: int) -> float:
    """Of one forward pass: 2 for each weight and token, 4 T^2 D of attention for each text and layer."""
    return texts * (2 * tokens * shape.matrices + 4 * tokens**2 * shape.width * shape.layers)


def encoder_seconds(machine: Machine, shape: Shape, work: Work) -> float:
    """Forward and twice as much backward; in chunks, one more forward pass."""
    passes = 3 if work.chunk is None or work.chunk >= work.texts else 4
    return (
        passes * forward_operations(shape, work.texts, work.tokens) / (machine.matrix_rate * machine.reached)
    )


def loss_seconds(machine: Machine, shape: Shape, work: Work, count: int, *, shared: bool) -> float:
    """The table of B x B cosines, forward and twice backward: all of it on every GPU, or (shared) each its own rows."""
    batch = work.rows * count
    rows = work.rows if shared else batch
    return 3 * 2 * rows * batch * shape.width / machine.loss_rate


def optimizer_seconds(machine: Machine, shape: Shape) -> float:
    """AdamW in fp32 reads weights, gradients and two moments, and writes all but the gradients."""
    return 7 * 4 * shape.parameters / machine.copies


@dataclass(frozen=True, kw_only=True)
class Step:
    """Seconds of the parts of a step on one GPU. reduce: of all gradients; exposed: what of that is left to wait for
    when the backward pass, during which the buckets are sent, has ended."""

    batch: int
    encoder: float
    loss: float
    gather: float
    reduce: float
    exposed: float
    optimizer: float

    @property
    def seconds(self) -> float:
        """One part after the other; only the sums of gradients go on beside something else."""
        return self.encoder + self.loss + self.gather + self.exposed + self.optimizer

    @property
    def communication(self) -> float:
        """The share of the step that is spent waiting for messages."""
        return (self.gather + self.exposed) / self.seconds


def step(machine: Machine, shape: Shape, work: Work, count: int, *, shared: bool = False) -> Step:
    """One step of ``count`` GPUs, each with ``work.rows`` rows of the batch. Vectors and gradients travel in fp32.

    The backward pass hides the sums of all gradients but those of the tables, which it reaches last.
    """
    encoder = encoder_seconds(machine, shape, work)
    reduce = reduce_over(machine, 4 * shape.parameters, count)
    # Of a backward pass in chunks, only the last chunk's can hide messages: before it no gradient is complete.
    chunks = 1 if work.chunk is None else -(-work.texts // work.chunk)
    backward = encoder / 2 / chunks if chunks > 1 else encoder * 2 / 3
    return Step(
        batch=work.rows * count,
        encoder=encoder,
        loss=loss_seconds(machine, shape, work, count, shared=shared),
        gather=gather_over(machine, 4 * work.texts * shape.width, count),
        reduce=reduce,
        exposed=max(reduce * shape.tables / shape.parameters, reduce - backward),
        optimizer=optimizer_seconds(machine, shape),
    )


def efficiency(machine: Machine, shape: Shape, work: Work, count: int, *, shared: bool = False) -> float:
    """Weak scaling: the step of one GPU alone with its rows over the step of ``count`` with as many rows each.

    >>> efficiency(H100, BERT_BASE, Work(), 1)
    1.0
    """
    alone = step(machine, shape, work, 1, shared=shared).seconds
    return alone / step(machine, shape, work, count, shared=shared).seconds


def hours(seconds_per_step: float, batch: int, sentences: int = SENTENCES) -> float:
    """Of one pass over so many sentences.

    >>> hours(0.36, 1_000, 1_000_000)
    0.1
    """
    return seconds_per_step * sentences / batch / 3600


def memory(shape: Shape, work: Work, count: int, *, tile: int | None = None) -> dict[str, float]:
    """Bytes on each GPU, by what they are for. tile: columns of a tile of the table; None: the dense table.

    Activations of a layer in bf16: 34 T D + 5 heads T^2 bytes for each text (Korthikanti et al. 2022, equation 2).
    Dense: cosines, logits and the gradient of them, B x B in fp32; tiled: the same of own rows x tile.
    """
    batch = work.rows * count
    texts = min(work.chunk or work.texts, work.texts)
    table = batch * batch if tile is None else work.rows * min(tile, batch)
    layer = 34 * work.tokens * shape.width + 5 * shape.heads * work.tokens**2
    return {
        "weights": 4 * shape.parameters + 2 * shape.matrices,
        "gradients": 4 * shape.parameters,
        "AdamW": 8 * shape.parameters,
        "message": 4 * shape.parameters if count > 1 else 0,
        "activations": texts * shape.layers * layer,
        "gathered": 2 * 4 * work.views * batch * shape.width,
        "logits": 3 * 4 * table,
    }
