"""Texts of like length go through the encoder together, longest first, each group padded to its own longest text only.

Training cuts a batch into a few groups for speed, or into chunks for memory; encoding fills batches to a budget of
tokens. Which texts are computed is not touched, only their order: so a training batch stays a uniform draw of the
corpus. Longest first, so that a machine whose memory is too small fails in the first forward pass and not in the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

#: A group smaller than this wastes more on small matrix products than it saves on padding.
SMALLEST_GROUP = 16
#: On a CPU less padding always pays; a GPU prefers one launch. See benchmarks/speed.py.
CPU_GROUPS, GPU_GROUPS = 3, 1


def groups_on(device: torch.device) -> int:
    """Groups of a training batch where nobody asks for a number.

    >>> groups_on(torch.device("cpu"))
    3
    """
    return CPU_GROUPS if device.type == "cpu" else GPU_GROUPS


def length_groups(lengths: Sequence[int], num_groups: int, chunk_size: int | None = None) -> list[np.ndarray]:
    """Positions of the texts, cut into groups of like length. At most ``chunk_size`` texts are in a group.

    >>> [group.tolist() for group in length_groups([3, 9, 4, 8], num_groups=2, chunk_size=2)]
    [[1, 3], [2, 0]]
    """
    order = _longest_first(lengths)
    most_groups = max(1, len(order) // SMALLEST_GROUP)
    wanted = min(num_groups, most_groups)
    if chunk_size is not None:
        wanted = max(wanted, -(-len(order) // chunk_size))
    return [group for group in np.array_split(order, wanted) if len(group)]


def length_batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[np.ndarray]:
    """Positions of the texts in batches of like length, each within the budget with its padding, or a text alone.

    >>> [batch.tolist() for batch in length_batches([1, 3, 2], 4)]
    [[1], [2, 0]]
    """
    order = _longest_first(lengths)
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _longest_first(lengths: Sequence[int]) -> np.ndarray:
    """Equals keep their order, so that the groups are the same on every machine."""
    return np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")


def padded(token_ids: Sequence[Sequence[int]], padding: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) ids with ``padding`` on the right, and (N, T) 1 at tokens, 0 at padding.

    >>> padded([[5, 6], [7]], padding=0)[0].tolist()
    [[5, 6], [7, 0]]
    """
    lengths = np.array([len(row) for row in token_ids])
    mask = np.arange(max(1, int(lengths.max())))[None, :] < lengths[:, None]
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.fromiter(
        (token for row in token_ids for token in row), dtype=np.int64, count=lengths.sum()
    )
    return ids, mask.astype(np.int64)
