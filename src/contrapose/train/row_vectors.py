"""The rows of the corpus as the encoder sees them now, in a file that is mapped into memory and gone afterwards.

Memory holds one block of texts and one of vectors, however long the corpus is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from contrapose.contract import first_texts
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.listening import Listener
from contrapose.storage.syscalls import reporting, reserve


@contextmanager
def row_vectors(
    encoder: Encoder, corpus: Corpus, rows_N: np.ndarray, path: Path, *, precision: str, listener: Listener
) -> Iterator[np.ndarray]:
    """(N, D) float32 on disk: the vectors, not normalized, of the first column of text of ``rows_N``.

    path: of the file, in a folder that is made where it is not there.
    """
    try:
        with reporting(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            vectors_ND: np.ndarray = np.lib.format.open_memmap(
                path, mode="w+", dtype=np.float32, shape=(len(rows_N), encoder.width)
            )
            reserve(path)
        with listener.task("encoding the corpus for the method", len(rows_N), "row"):
            for block, texts in first_texts(corpus, rows_N):
                vectors_ND[block] = encoder.encode(
                    texts, normalize=False, precision=precision, progress=listener.advance
                )
        yield vectors_ND
    finally:
        path.unlink(missing_ok=True)
