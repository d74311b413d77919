"""Every sentence is encoded once: all tasks of a call share one table from text to vector."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from contrapose.errors import ModelError, UsageError
from contrapose.listening import Progress, listener_of

logger = logging.getLogger(__name__)

#: What every task takes: a function from texts to vectors (N, D), or an object with such a method ``encode``
#: (contrapose's Encoder), which is then called as ``encode(texts, normalize=False, precision=..., progress=...)``.
Encodes = Callable[[Sequence[str]], np.ndarray] | Any
#: The fingerprint of an encoder that has none.
UNIDENTIFIED = "unidentified"


class Encodings:
    """Vectors of distinct texts, and who made them."""

    def __init__(self, texts: Sequence[str], vectors_ND: np.ndarray, *, model: str) -> None:
        self._row = {text: row for row, text in enumerate(texts)}
        self._vectors_ND = vectors_ND
        self.model = model

    def __len__(self) -> int:
        return len(self._row)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors (N, D) of ``texts``, each of which was encoded before."""
        return self._vectors_ND[np.fromiter((self._row[text] for text in texts), np.int64, len(texts))]


def encode_once(
    encoder: Encodes,
    texts: Iterable[str],
    *,
    precision: str | None = None,
    progress: Progress = None,
) -> Encodings:
    """Encode each distinct text of ``texts`` once, unnormalised.

    precision: None for what the encoder does by itself, else passed on. A plain function takes no such option, so
    giving one is an error rather than ignored.
    progress: a function called with the number of sentences just finished, or a Listener. An encoder that is a plain
    function tells nothing of its own: it is called once for all, and so is ``progress``.

    Raises :class:`ModelError` where the result has a wrong shape or holds a value that is not finite, naming the
    first such text.

    >>> table = encode_once(lambda texts: np.array([[len(text), 1.0] for text in texts]), ["ab", "c", "ab"])
    >>> len(table), table.of(["c", "ab"]).tolist()
    (2, [[1.0, 1.0], [2.0, 1.0]])
    """
    distinct = list(dict.fromkeys(texts))
    logger.info("encoding %d distinct sentences", len(distinct))
    listener = listener_of(progress)
    with listener.task("encoding", len(distinct), "text"):
        advance = None if progress is None else listener.advance
        vectors_ND = np.asarray(_call(encoder, distinct, precision, advance))
    if vectors_ND.ndim != 2 or vectors_ND.shape[0] != len(distinct):
        raise ModelError(
            f"the encoder returned an array of shape {vectors_ND.shape} for {len(distinct)} texts; "
            f"it must be ({len(distinct)}, width)"
        )
    finite_N = np.isfinite(vectors_ND).all(axis=1)
    if not finite_N.all():
        first = distinct[int(np.argmin(finite_N))]
        raise ModelError(
            f"the encoder returned NaN or infinity for {int((~finite_N).sum())} of {len(distinct)} texts, first for "
            f"{first[:80]!r}. Its weights are probably damaged or diverged; nothing can be measured with it."
        )
    return Encodings(distinct, vectors_ND, model=fingerprint_of(encoder))


def fingerprint_of(encoder: Encodes) -> str:
    """The encoder's fingerprint, or "unidentified" for an encoder that has none, such as a plain function."""
    fingerprint = getattr(encoder, "fingerprint", None)
    return str(fingerprint()) if callable(fingerprint) else UNIDENTIFIED


def name_of(encoder: Encodes) -> str:
    """What to call the encoder before people: its name, else the name of the function or class."""
    name = getattr(encoder, "name", None) or getattr(encoder, "__name__", None)
    return str(name or type(encoder).__name__)


def _call(
    encoder: Encodes, texts: list[str], precision: str | None, progress: Callable[[int], None] | None
) -> Any:
    if hasattr(encoder, "encode"):
        options = {"precision": precision, "progress": progress}
        return encoder.encode(texts, normalize=False, **{k: v for k, v in options.items() if v is not None})
    if not callable(encoder):
        raise UsageError(
            f"cannot encode with a {type(encoder).__name__}: give an Encoder or a function of texts"
        )
    if precision is not None:
        raise UsageError(
            f"precision={precision!r} has no effect on a plain function; set it inside the function"
        )
    vectors_ND = encoder(texts)
    if progress is not None:
        progress(len(texts))
    return vectors_ND
