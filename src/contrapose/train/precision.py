"""bf16 or fp32: whichever a probe of at most half a second shows to be faster on this machine.

Without instructions of its own for it (AMX, AVX512_BF16) a processor computes bf16 up to a hundred times slower than
fp32, and with them the gain depends on the width of the matrices. So nothing is concluded from a name: one layer of
the encoder's own shapes, with random numbers, is computed in both formats by turns, a few tokens at first and more
while time is left. Where one format falls far behind, the probe ends at once.

On a GPU bf16 is chosen where its hardware has it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Seconds that a probe may take, and the tokens of its stages.
PATIENCE = 0.5
STAGES = (4, 32, 128, 512)
#: Rows of a stage have so many tokens, as sentences do.
ROW = 32
#: Turns of a stage; the fastest counts, because what else runs on the machine only ever adds.
TURNS = 5
#: How much faster bf16 must be. Its vectors are a little less exact, and a probe is not exact either.
LEAST_GAIN = 1.2
#: Below this it is not looked at further. The first stage is of few tokens, where neither format is at its best.
HOPELESS = 0.2
#: A wider layer only takes longer to say the same.
WIDEST = 1024


@dataclass(frozen=True)
class Choice:
    """The number format of the encoder's passes, and in words why. Losses are computed in fp32 in any case."""

    bf16: bool
    why: str = ""

    @property
    def precision(self) -> str:
        return "bf16" if self.bf16 else "fp32"

    def __str__(self) -> str:
        return f"{self.precision} ({self.why})" if self.why else self.precision


@dataclass(frozen=True)
class Shape:
    """Of a layer: width of the vectors, width inside of the feed-forward network, attention heads."""

    width: int = 384
    inner: int = 1536
    heads: int = 12


@dataclass(frozen=True)
class Probe:
    """gain: how many times as fast bf16 is as fp32; tokens: of the largest stage; seconds: that the probe took."""

    gain: float
    tokens: int
    seconds: float


def faster_precision(encoder: Encoder, *, training: bool = False) -> Choice:
    """The faster format for the layers of ``encoder`` where it lies; for passes with gradients where ``training``."""
    return _faster(encoder.device, _shape_of(encoder), training)


def faster_on(device: torch.device) -> Choice:
    """The same, where no encoder is at hand: for layers of the usual width."""
    return _faster(device, Shape(), False)


@cache
def _faster(device: torch.device, shape: Shape, training: bool) -> Choice:
    if device.type == "cuda":
        native = computes_in_bf16(device)
        return Choice(native, "the GPU computes in it" if native else "the GPU has no bf16")
    return in_words(compare(_timed_layer(shape, training)))


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the hardware has instructions for bf16. Whether they pay is for a probe to say."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def in_words(probe: Probe) -> Choice:
    """
    >>> str(in_words(Probe(gain=2.14, tokens=512, seconds=0.31)))
    'bf16 (2.1 times as fast as fp32 in a probe of 0.31 s)'
    >>> str(in_words(Probe(gain=0.012, tokens=4, seconds=0.2)))
    'fp32 (bf16 would be 0.012 times as fast, in a probe of 0.2 s)'
    """
    seconds, gain = f"{probe.seconds:.2g}", f"{probe.gain:.2g}"
    if probe.gain >= LEAST_GAIN:
        return Choice(True, f"{gain} times as fast as fp32 in a probe of {seconds} s")
    return Choice(False, f"bf16 would be {gain} times as fast, in a probe of {seconds} s")


def compare(timed: Callable[[int, bool], float], patience: float = PATIENCE) -> Probe:
    """Compare the formats on more and more tokens, for as long as what comes next is expected to fit ``patience``.

    timed: (tokens, bf16) -> the seconds that one computation took.

    >>> compare(lambda tokens, bf16: tokens * (1e-6 if bf16 else 2e-6)).gain
    2.0
    """
    gain, tokens, spent, pair = 0.0, 0, 0.0, 0.0
    for stage in STAGES:
        if tokens and spent + pair * stage / tokens > patience:
            break
        tokens = stage
        # The first call of each pays for more than itself.
        plain, lower = timed(stage, False), timed(stage, True)
        spent += plain + lower
        gain, pair = plain / lower, plain + lower
        if gain < HOPELESS and spent > patience / 10:
            break
        fastest = [float("inf"), float("inf")]
        # A first stage that was disturbed once would end the probe there.
        turns = {STAGES[0]: 3, STAGES[-1]: TURNS}.get(stage, 2)
        for _ in range(turns):
            if spent + pair > patience:
                break
            plain, lower = timed(stage, False), timed(stage, True)
            spent += plain + lower
            fastest = [min(fastest[0], plain), min(fastest[1], lower)]
            gain, pair = fastest[0] / fastest[1], sum(fastest)
        if stage > STAGES[0] and gain < HOPELESS:
            break
    return Probe(gain=gain, tokens=tokens, seconds=spent)


def _shape_of(encoder: Encoder) -> Shape:
    config, width = encoder.backbone.config, min(encoder.width, WIDEST)
    inner = getattr(config, "intermediate_size", None)
    heads = getattr(config, "num_attention_heads", None)
    return Shape(
        width=width,
        inner=min(inner, 4 * WIDEST) if isinstance(inner, int) and inner > 0 else 4 * width,
        heads=heads if isinstance(heads, int) and heads > 0 and width % heads == 0 else 1,
    )


def _timed_layer(shape: Shape, training: bool) -> Callable[[int, bool], float]:
    """One layer of random numbers, which says how long it takes for so many tokens in the one format or the other."""
    random = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> Tensor:
        # Every row the same: drawing millions of numbers would take longer than the probe.
        numbers = torch.randn(columns, generator=random) / math.sqrt(columns)
        return numbers.repeat(rows, 1)

    sizes = [
        (3 * shape.width, shape.width),
        (shape.width, shape.width),
        (shape.inner, shape.width),
        (shape.width, shape.inner),
    ]
    plain = [drawn(*size).requires_grad_(training) for size in sizes]
    lower = [weight.detach().to(torch.bfloat16).requires_grad_(training) for weight in plain]

    def timed(tokens: int, bf16: bool) -> float:
        row = min(tokens, ROW)
        tokens_NTD = drawn(tokens, shape.width).view(-1, row, shape.width)
        weights = lower if bf16 else plain
        began = time.perf_counter()
        with torch.set_grad_enabled(training):
            output_NTD = _layer(tokens_NTD, weights, shape)
            if training:
                torch.autograd.grad(output_NTD.sum(), weights)
        return time.perf_counter() - began

    return timed


def _layer(tokens_NTD: Tensor, weights: list[Tensor], shape: Shape) -> Tensor:
    """A transformer's layer: products in the format of the weights; softmax and norms in fp32, as under autocast."""
    dtype = weights[0].dtype
    mixed_NTD = tokens_NTD.to(dtype)
    split = functional.linear(mixed_NTD, weights[0]).view(*mixed_NTD.shape[:2], 3, shape.heads, -1)
    query_NHTK, key_NHTK, value_NHTK = (part.transpose(1, 2) for part in split.unbind(2))
    scores_NHTT = (query_NHTK @ key_NHTK.transpose(-1, -2)).float()
    looks_NHTT = scores_NHTT.softmax(-1).to(dtype)
    attended_NTD = (looks_NHTT @ value_NHTK).transpose(1, 2).flatten(2)
    tokens_NTD = _normed(tokens_NTD + functional.linear(attended_NTD, weights[1]))
    inner = functional.gelu(functional.linear(tokens_NTD.to(dtype), weights[2]))
    return _normed(tokens_NTD + functional.linear(inner, weights[3]))


def _normed(tokens_NTD: Tensor) -> Tensor:
    normed_NTD: Tensor = functional.layer_norm(tokens_NTD.float(), tokens_NTD.shape[-1:])
    return normed_NTD
