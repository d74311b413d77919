"""How a batch is cut into forward passes: by length for speed, by ``chunk_size`` for memory.

All texts of all views of the batch go through the encoder together. They are sorted by length and cut into a few
groups, each padded to its own longest text only. Which rows are in the batch is not touched, so the shuffle stays
uniform; only the order of computation inside the batch follows length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: A group smaller than this wastes more on small matrix products than it saves on padding.
SMALLEST_GROUP = 16
#: On a CPU less padding always pays; a GPU prefers one launch. See benchmarks/speed.py.
CPU_GROUPS, GPU_GROUPS = 3, 1


def length_groups(lengths: Sequence[int], num_groups: int, chunk_size: int | None = None) -> list[np.ndarray]:
    """Positions of the texts, cut into groups of like length, longest first.

    At most ``chunk_size`` texts are in a group. Longest first, so that a machine whose memory is too small fails in the
    first forward pass and not in the last.

    >>> [group.tolist() for group in length_groups([3, 9, 4, 8], num_groups=2, chunk_size=2)]
    [[1, 3], [2, 0]]
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    most_groups = max(1, len(order) // SMALLEST_GROUP)
    wanted = min(num_groups, most_groups)
    if chunk_size is not None:
        wanted = max(wanted, -(-len(order) // chunk_size))
    return [group for group in np.array_split(order, wanted) if len(group)]
