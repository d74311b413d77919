"""All randomness as a pure function of (seed, step, row, view, chunk).

There is no running random stream anywhere in the package. Whoever needs random numbers derives a seed from the run's
seed and from *where* it is (step 17, chunk 2, "mixed-negatives"). So a step can be replayed alone: gradient caching
replays a dropout mask by naming it, and a resumed run continues with the bits of an uninterrupted one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

#: Rounds of the Feistel network. Six look random; the shuffle need not resist an adversary.
FEISTEL_ROUNDS = 6


def derive(seed: int, *path: int | str) -> int:
    """A seed in [0, 2**63) for the stream ``path``; different streams give unrelated seeds.

    >>> derive(0, "dropout", 3) == derive(0, "dropout", 3)
    True
    >>> derive(0, "dropout", 3) == derive(0, "dropout", 4)
    False
    """
    # A numpy integer prints otherwise than an int: row 3 would depend on where the 3 came from.
    parts = (str(part) if isinstance(part, str) else int(part) for part in path)
    key = repr((int(seed), *parts)).encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") >> 1


def torch_generator(seed: int, *path: int | str) -> torch.Generator:
    """A CPU generator for the stream ``path``. Draw on the CPU and move: the same numbers on every device."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *path))


def numpy_generator(seed: int, *path: int | str) -> np.random.Generator:
    """A numpy generator for the stream ``path``."""
    return np.random.default_rng(derive(seed, *path))


@contextmanager
def seeded(seed: int, *path: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's global generators inside the block, and put them back as they were after it.

    Dropout layers read the global generator and cannot be given one, so this is the one place that touches it.
    """
    import torch

    devices = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive(seed, *path))
        yield


def permute(positions: np.ndarray, size: int, key: int) -> np.ndarray:
    """Where a shuffle of ``range(size)`` puts each position, without ever building the shuffle.

    A Feistel network over the next power of four is a bijection; positions that land outside are walked on until they
    land inside (Black and Rogaway 2002, "cycle walking"). Memory is O(len(positions)) for any size, and position
    10**9 costs what position 0 costs, so a resumed run need not skip anything.

    positions: integers in [0, size). Returns int64 of the same shape, distinct for distinct positions.

    >>> sorted(permute(np.arange(10), 10, key=1).tolist()) == list(range(10))
    True
    """
    if size < 1:
        raise ValueError(f"cannot permute {size} items")
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    mask = np.uint64((1 << half_bits) - 1)
    shift = np.uint64(half_bits)
    round_keys = [np.uint64(derive(key, "feistel", i)) for i in range(FEISTEL_ROUNDS)]

    def encrypt(values: np.ndarray) -> np.ndarray:
        left, right = values >> shift, values & mask
        for round_key in round_keys:
            left, right = right, left ^ (_mix(right ^ round_key) & mask)
        return (left << shift) | right

    walked = encrypt(np.atleast_1d(np.asarray(positions, dtype=np.uint64)))
    while (outside := walked >= np.uint64(size)).any():
        walked[outside] = encrypt(walked[outside])
    shuffled: np.ndarray = walked.astype(np.int64).reshape(np.shape(positions))
    return shuffled


def _mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every output bit depends on every input bit."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
