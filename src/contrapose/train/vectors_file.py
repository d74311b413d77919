"""Vectors from a file, one per row of the corpus: checked before training, never loaded as a whole where that can be.

``.npy``          a float array (rows, D), memory-mapped
``.safetensors``  one float tensor (rows, D)
``.parquet``      a column ``embedding``, as ``contrapose encode`` writes it
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contrapose.errors import UsageError
from contrapose.paths import expanded
from contrapose.storage.durable import sha256_file

#: Rows looked at together for numbers that are not finite.
ROWS_PER_BLOCK = 65_536
SUFFIXES = (".npy", ".safetensors", ".parquet")


def fingerprint_of_file(path: str) -> str:
    """sha256 of the file; UsageError where it is not there."""
    return sha256_file(_existing(path))


def read_vectors(path: str, *, rows: int) -> Tensor:
    """(rows, D), finite. Raises UsageError for a missing file, another shape, type or number of rows, and for NaN."""
    file = _existing(path)
    try:
        vectors_ND = _READERS[file.suffix](file)
    except UsageError:
        raise
    except Exception as error:  # three libraries, each with errors of its own for a damaged file
        raise UsageError(f"the vectors in {file} cannot be read ({type(error).__name__}: {error})") from None
    if vectors_ND.dim() != 2 or not vectors_ND.is_floating_point() or 0 in vectors_ND.shape:
        raise UsageError(
            f"{file} holds {vectors_ND.dtype} of shape {tuple(vectors_ND.shape)}: give floating-point vectors (rows, D)"
        )
    if len(vectors_ND) != rows:
        raise UsageError(
            f"{file} holds {len(vectors_ND):,} vectors, and the corpus has {rows:,} rows after cleaning: give one "
            "vector per row that is kept, in the order of the corpus (with --no-deduplicate repeated rows are kept)"
        )
    for start in range(0, rows, ROWS_PER_BLOCK):
        block = vectors_ND[start : start + ROWS_PER_BLOCK]
        if bad := torch.nonzero(~torch.isfinite(block).all(1)).flatten().tolist():
            raise UsageError(f"{file}: the vector of row {start + bad[0]} is not finite; make the file again")
    return vectors_ND


def _existing(path: str) -> Path:
    file = expanded(path)
    if file.suffix not in SUFFIXES:
        raise UsageError(f"vectors are read from {', '.join(SUFFIXES)}, not from {file}")
    if not file.is_file():
        raise UsageError(
            f"there is no such file; give a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} with one vector per row"
        )
    return file


def _npy(file: Path) -> Tensor:
    array = np.lib.format.open_memmap(file, mode="c")  # copy on write: the file is never changed
    return torch.from_numpy(array)


def _safetensors(file: Path) -> Tensor:
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        names = list(opened.keys())
        if len(names) != 1:
            raise UsageError(f"{file} holds {len(names)} tensors: give one, of shape (rows, D)")
        vectors: Tensor = opened.get_tensor(names[0])
    return vectors


def _parquet(file: Path) -> Tensor:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file).read(columns=["embedding"])
    if table.num_columns != 1:
        raise UsageError(f"{file} has no column 'embedding'")
    return torch.from_numpy(np.stack([np.asarray(row) for row in table["embedding"].to_numpy()]))


_READERS = {".npy": _npy, ".safetensors": _safetensors, ".parquet": _parquet}
