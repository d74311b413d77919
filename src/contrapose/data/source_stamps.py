"""Whether large files are still what they were, without reading them again.

Files of less than a gibibyte together are read and compared by content. Larger ones count as unchanged where the size,
the inode and both times (of content and of anything) of each are what they were when the content was last read: whoever
writes to a file changes these. A copy, a restored backup or a ``touch`` only means that all is read once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contrapose.data.sources import find_sources, sources_fingerprint
from contrapose.errors import DataError

#: Bytes of all files together from which on stamps are trusted.
LARGE = 1 << 30

Stamps = list[list[int]]


def stamps_of(sources: Sequence[str | Path]) -> Stamps | None:
    """Size, times and inode of each file, in order; None where they are small, or one is standard input."""
    stamps = []
    for source in find_sources(sources):
        if source.path is None:
            return None
        try:
            now = source.path.stat()
        except OSError as error:
            raise DataError(f"cannot read {source.shown}: {error.strerror}") from None
        stamps.append([now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino])
    return stamps if sum(size for size, *_ in stamps) >= LARGE else None


def described(sources: Sequence[str | Path], known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fingerprint of the files, and their stamps where they are large.

    known: what this said earlier, of these files or of others.
    """
    stamps = stamps_of(sources)  # before the content: a change in between is then seen the next time
    if stamps is None:
        return {"sources": sources_fingerprint(sources)}
    if known is not None and known.get("stamps") == stamps:
        return {"sources": known["sources"], "stamps": stamps}
    return {"sources": sources_fingerprint(sources), "stamps": stamps}
