"""Fast encoding: every distinct text once, sorted by length, batches filled to a budget of tokens.

Sorting leaves almost no padding, and the token budget gives short texts large batches. Neither changes a result:
padding is masked, and each row is computed alone. On a CPU each thread computes batches of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrapose.encoder.by_length import length_batches
from contrapose.encoder.fast_products import use_fast_products
from contrapose.encoder.side_by_side import Surroundings, side_by_side
from contrapose.encoder.stillness import at_rest, with_own_configs
from contrapose.errors import UsageError
from contrapose.listening import Progress, listener_of

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Distinct texts tokenised at a time: token ids of more would only take memory.
TEXTS_PER_WINDOW = 65_536

#: On a CPU a batch should stay in its caches: on 800 sentences of STS-B, 1024 tokens took 2.7 s, 2048 took 3.1 s, both
#: fp32 on one thread (in bf16: 1.25 s each). An accelerator wants to be filled.
TOKENS_ON_CPU = 1024
#: Fewer tokens are not worth a batch of their own.
LEAST_TOKENS = 128
TOKENS_ON_ACCELERATOR = 32_768


def encode(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    normalize: bool,
    precision: str,
    tokens_per_batch: int | None,
    progress: Progress,
    use_head: bool,
) -> np.ndarray:
    """See :meth:`contrapose.encoder.encoder.Encoder.encode`."""
    if precision not in ("fp32", "bf16"):
        raise UsageError(f"unknown precision '{precision}'. Known: fp32, bf16")
    if tokens_per_batch is None:
        tokens_per_batch = TOKENS_ON_CPU if encoder.device.type == "cpu" else TOKENS_ON_ACCELERATOR
    if tokens_per_batch < 1:
        raise UsageError(f"tokens_per_batch must be at least 1, got {tokens_per_batch}")
    if use_head and encoder.head is None:
        raise UsageError(f"'{encoder.name}' has no head")
    encoder = _for_use(encoder, precision)

    @contextmanager
    def surroundings() -> Iterator[None]:
        lower = torch.autocast(encoder.device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
        with torch.inference_mode(), lower:
            yield

    def vectors_of(token_ids: Sequence[Sequence[int]]) -> np.ndarray:
        pooled_ND = encoder.pooled(token_ids)
        if use_head and encoder.head is not None:
            pooled_ND = encoder.head(pooled_ND).float()
        if normalize:
            pooled_ND = torch.nn.functional.normalize(pooled_ND)
        return pooled_ND.cpu().numpy()

    return by_budget(
        texts,
        encoder.token_ids,
        vectors_of,
        encoder.width,
        tokens_per_batch,
        progress,
        workers=torch.get_num_threads() if encoder.device.type == "cpu" else 1,
        surroundings=surroundings,
    )


def by_budget(
    texts: Sequence[str],
    token_ids_of: Callable[[Sequence[str]], list[list[int]]],
    vectors_of: Callable[[Sequence[Sequence[int]]], np.ndarray],
    width: int,
    tokens_per_batch: int,
    progress: Progress,
    *,
    workers: int = 1,
    surroundings: Surroundings = torch.inference_mode,
) -> np.ndarray:
    """(N, width) float32: every distinct text once, longest first, in batches within a budget of tokens.

    token_ids_of  token ids of each text; vectors_of  (B, width) of the token ids of a batch, whatever computes them;
    workers, surroundings  as of :func:`contrapose.encoder.side_by_side.side_by_side`

    >>> vectors = by_budget(
    ...     ["aa", "b", "aa"],
    ...     token_ids_of=lambda texts: [[1] * len(text) for text in texts],
    ...     vectors_of=lambda ids: np.array([[len(row)] for row in ids]),
    ...     width=1, tokens_per_batch=8, progress=None)
    >>> vectors.ravel().tolist()
    [2.0, 1.0, 2.0]
    """
    distinct, rows = distinct_texts(texts)
    repeats = np.bincount(rows, minlength=len(distinct))
    vectors = np.zeros((len(distinct), width), dtype=np.float32)
    listener = listener_of(progress)
    with listener.task("encoding", len(rows), "text"):
        for start in range(0, len(distinct), TEXTS_PER_WINDOW):
            token_ids = token_ids_of(distinct[start : start + TEXTS_PER_WINDOW])
            lengths = [len(ids) for ids in token_ids]
            batches = list(length_batches(lengths, _shared_budget(lengths, tokens_per_batch, workers)))

            def of_batch(batch: np.ndarray, token_ids: list[list[int]] = token_ids) -> np.ndarray:
                return vectors_of([token_ids[row] for row in batch])

            for batch, batch_BD in side_by_side(of_batch, batches, workers, surroundings):
                vectors[start + batch] = batch_BD
                listener.advance(int(repeats[start + batch].sum()))
    return vectors[rows] if len(distinct) < len(rows) else vectors


def _shared_budget(lengths: Sequence[int], tokens_per_batch: int, workers: int) -> int:
    """Of few texts smaller batches, so that every thread has some; none below what a product is worth.

    >>> _shared_budget([10] * 40, 1024, workers=2), _shared_budget([10] * 4, 1024, workers=2)
    (200, 128)
    """
    if workers == 1:
        return tokens_per_batch
    return min(tokens_per_batch, max(LEAST_TOKENS, -(-sum(lengths) // workers)))


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The distinct texts in order of appearance, and for each text the number of its representative.

    >>> distinct_texts(["b", "a", "b"])
    (['b', 'a'], array([0, 1, 0]))
    """
    if isinstance(texts, (str, bytes)):
        raise UsageError(f"expected a list of texts, got one {type(texts).__name__}: write [text]")
    first_seen: dict[str, int] = {}
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"text number {position} is {type(text).__name__}, expected str")
        first_seen.setdefault(text, len(first_seen))
    rows = np.fromiter((first_seen[text] for text in texts), dtype=np.int64, count=len(texts))
    return list(first_seen), rows


def _for_use(encoder: Encoder, precision: str) -> Encoder:
    """A copy for this call, which shares the weights: evaluation mode, fused attention, untouched by other threads."""
    copied = at_rest(encoder)
    with_own_configs(copied)
    copied.use_attention("sdpa")
    if precision == "fp32":
        use_fast_products(copied)
    return copied
