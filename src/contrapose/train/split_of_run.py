"""The rows that a run trains on and those that it holds out: found once, and opened in a moment when it goes on.

    RUN/cache/held-out/ids.npy      the held-out rows of a large corpus, and of one that is used where it lies
    RUN/cache/held-out/rows.arrow   and their texts, which lie in all row groups

A small corpus is split again each time, which is as quick.
"""

from __future__ import annotations

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from contrapose.data.corpus import Corpus
from contrapose.data.rowfile import RowFile, RowWriter, text_schema
from contrapose.errors import CorruptCheckpoint, StorageError
from contrapose.storage import durable
from contrapose.storage.syscalls import reporting, reserve_open
from contrapose.train.distributed import ProcessGroup

#: Rows from which on a split is kept, which takes a second for each million, and row numbers are mapped from disk.
LARGE = 1 << 20

_ABOUT, _IDS, _ROWS = "about.json", "ids.npy", "rows.arrow"


def split_of_run(
    folder: Path, corpus: Corpus, count: int, seed: int, processes: ProcessGroup
) -> tuple[np.ndarray, np.ndarray]:
    """(training ids, held-out ids), as :meth:`Corpus.split_held_out` splits. The first process writes, all read."""
    if len(corpus) < LARGE and corpus.in_place is None:
        return corpus.split_held_out(count, seed)
    tree = folder / "cache" / "held-out"
    about = {"corpus": corpus.fingerprint, "count": count, "seed": seed}
    if processes.is_first and not _is_there(tree, about):
        _write(tree, about, corpus, corpus.held_out(count, seed))
    processes.wait()
    with reporting(tree, "read"), open(tree / _IDS, "rb") as file:
        held_out = np.lib.format.read_array(file, allow_pickle=False)
    if corpus.in_place is not None:
        corpus.in_place.set_aside(held_out, RowFile(tree / _ROWS))
    return all_but(held_out, len(corpus), folder / "cache"), held_out


def all_but(left_out: np.ndarray, count: int, scratch: Path) -> np.ndarray:
    """The numbers below ``count`` but for ``left_out``, which are sorted: mapped from a file where they are many.

    The file is in ``scratch`` and has no name, so it goes with the array.

    >>> all_but(np.array([0, 3]), 5, Path(".")).tolist()
    [1, 2, 4]
    """
    num_rows = count - len(left_out)
    rows: np.ndarray = np.empty(num_rows, dtype=np.int64) if count < LARGE else _mapped(num_rows, scratch)
    edges = [-1, *left_out.tolist(), count]
    written = 0
    for before, after in pairwise(edges):
        size = after - before - 1
        rows[written : written + size] = np.arange(before + 1, after)
        written += size
    return rows


def _mapped(num_rows: int, scratch: Path) -> np.ndarray:
    with reporting(scratch), tempfile.TemporaryFile(dir=scratch) as file:
        file.truncate(8 * num_rows)
        reserve_open(file.fileno())
        return np.memmap(file, dtype=np.int64, mode="r+", shape=(num_rows,))


def _is_there(tree: Path, about: dict[str, Any]) -> bool:
    try:
        durable.verify_tree(tree)
        return bool(json.loads((tree / _ABOUT).read_bytes()) == about)
    except (CorruptCheckpoint, StorageError, OSError, ValueError):
        return False


def _write(tree: Path, about: dict[str, Any], corpus: Corpus, held_out: np.ndarray) -> None:
    def write_rows(file: BinaryIO) -> None:
        import pyarrow as pa

        writer = RowWriter(file, corpus.columns)
        texts = corpus.take(held_out)
        arrays = [pa.array(texts[name], pa.string()) for name in corpus.columns]
        writer.write(pa.record_batch(arrays, schema=text_schema(corpus.columns)))
        writer.close()

    with reporting(tree.parent):
        tree.parent.mkdir(parents=True, exist_ok=True)
    durable.remove_tree(tree)
    durable.write_tree(
        tree,
        {
            _ABOUT: json.dumps(about).encode(),
            _IDS: lambda file: np.lib.format.write_array(file, held_out),
            _ROWS: write_rows,
        },
    )
