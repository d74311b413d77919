"""The rows of the corpus as the encoder sees them now, in a file that is mapped into memory and gone afterwards.

Memory holds one block of texts and one of vectors, however long the corpus is. Several processes share the work, and
what each learns from the vectors is the same, since they are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from contrapose.contract import first_texts
from contrapose.data.corpus import Corpus
from contrapose.encoder.encoder import Encoder
from contrapose.listening import Listener
from contrapose.storage.syscalls import reporting, reserve
from contrapose.train.distributed import ProcessGroup


@contextmanager
def row_vectors(
    encoder: Encoder,
    corpus: Corpus,
    rows_N: np.ndarray,
    path: Path,
    *,
    precision: str,
    listener: Listener,
    processes: ProcessGroup | None = None,
) -> Iterator[np.ndarray]:
    """(N, D) float32 on disk: the vectors, not normalized, of the first column of text of ``rows_N``.

    path: of the file, in a folder that is made where it is not there; of each process its own. processes: that encode
    the rows together, all of which ask for them at once; this one alone where it is None.
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
                vectors_ND[block] = _encoded(encoder, texts, precision, listener, processes or ProcessGroup())
        yield vectors_ND
    finally:
        path.unlink(missing_ok=True)


def _encoded(
    encoder: Encoder, texts: Sequence[str], precision: str, listener: Listener, processes: ProcessGroup
) -> np.ndarray:
    """(N, D) of one block: each process encodes its share, and has the vectors of all."""
    shared = len(texts) >= processes.size
    own = processes.rows(len(texts)) if shared else slice(None)
    vectors_nD = encoder.encode(texts[own], normalize=False, precision=precision, progress=listener.advance)
    if processes.size == 1 or not shared:
        return vectors_nD
    listener.advance(len(texts) - len(vectors_nD))
    on_device = torch.from_numpy(vectors_nD).to(encoder.device)
    return processes.gather_rows(on_device[None], len(texts))[0].cpu().numpy()
