"""Parts that look at the whole corpus between steps: every row is encoded with the weights of now, and shown to them.

What a part learns from it lies in its buffers, and what a text part learns in those of :class:`RefreshedTexts`: so it
is in every checkpoint, and a resumed run goes on without looking again.
"""

from __future__ import annotations

import torch

from contrapose.train.row_vectors import row_vectors
from contrapose.train.session import Session


def refresh(session: Session) -> None:
    """Show the training rows of the corpus, encoded with the weights of now, to the parts that are due."""
    rows, step = session.batches.rows, session.progress.step
    path = session.folder / "cache" / f"vectors-{session.processes.rank}.npy"
    with row_vectors(
        session.encoder,
        session.corpus,
        rows,
        path,
        precision=session.precision,
        listener=session.listener,
        processes=session.processes,
    ) as vectors_ND:
        if session.objective.refreshes_at(step):
            on_device = torch.from_numpy(vectors_ND).to(session.encoder.device)
            session.objective.refresh(step, torch.from_numpy(rows), on_device)
        if session.refreshed_texts is not None:
            session.refreshed_texts.refresh(step, vectors_ND)
    session.processes.wait()
