"""Parts that look at the whole corpus between steps: every row is encoded, in blocks, into a file that is then mapped.

Memory holds one block of texts and one of vectors, however long the corpus is; the file lies in the run's folder and
is gone afterwards. What a part learns from it lies in its buffers, so a resumed run goes on without looking again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from contrapose.storage.syscalls import reporting
from contrapose.train.session import Session

#: Rows encoded and written together.
ROWS_PER_BLOCK = 8_192


def refresh(session: Session) -> None:
    """Show the training rows of the corpus, encoded with the weights of now, to the parts that are due."""
    rows = session.batches.rows
    folder = session.folder / "cache"
    path = folder / f"vectors-{session.processes.rank}.npy"
    with session.listener.task("encoding the corpus for the method", len(rows), "row"), reporting(folder):
        try:
            vectors_ND = _encode(session, rows, path)
            device = session.encoder.device
            session.objective.refresh(
                session.progress.step, torch.from_numpy(rows), torch.from_numpy(vectors_ND).to(device)
            )
        finally:
            path.unlink(missing_ok=True)
    session.processes.wait()


def _encode(session: Session, rows: np.ndarray, path: Path) -> np.ndarray:
    """(rows, D) on disk: the vectors of the first column of text."""
    vectors_ND: np.ndarray = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float32, shape=(len(rows), session.encoder.width)
    )
    for start in range(0, len(rows), ROWS_PER_BLOCK):
        block = rows[start : start + ROWS_PER_BLOCK]
        first, *_ = session.corpus.take(block).values()
        vectors_ND[start : start + len(block)] = session.encoder.encode(
            first, normalize=False, precision=session.precision, progress=session.listener.advance
        )
    return vectors_ND
