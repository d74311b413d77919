"""The next batch is read and tokenized in the background while the current one is computed."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from contrapose.train.session import Session
from contrapose.train.step import TokenizedBatch, tokenize


class Prefetcher:
    """Reads and tokenizes the next batch in the background while this one is computed.

    A batch is a pure function of its number, so looking ahead changes nothing.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._upcoming: dict[int, Future[TokenizedBatch]] = {}

    def __enter__(self) -> Prefetcher:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def batch_of(self, step: int) -> TokenizedBatch:
        """The batch of ``step``; the one after it is begun."""
        current = self._upcoming.pop(step, None) or self._pool.submit(batch_at, self._session, step)
        ready = current.result()
        # A part that looks at the corpus before the next step may change what its batch is: that one is made then.
        if step + 1 < self._session.num_steps and not self._session.refreshes_at(step + 1):
            self._upcoming[step + 1] = self._pool.submit(batch_at, self._session, step + 1)
        return ready


def batch_at(session: Session, step: int) -> TokenizedBatch:
    """The batch of a step, of the rows that the protocol leaves to that step."""
    rows = session.protocol.rows(step)
    batches = session.batches if rows is None else session.batches.among(rows.cpu().numpy())
    return tokenize(session.encoder, batches.at(step), session.plan)
