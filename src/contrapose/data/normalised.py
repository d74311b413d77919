"""Many texts made normal at once: what is normal already, which most text is, is only looked at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from contrapose.data.text import SHORT, normalise

#: Texts that are looked at together. One that is not normal costs its neighbours the slow way.
TOGETHER = 64

#: All that :func:`normalise` changes, but for composition: white space other than a single space between two words,
#: control characters, the byte order mark. Texts are joined by line feeds, so ``^`` and ``$`` are their two ends.
_CHANGED = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]|  |^ | $",
    re.MULTILINE,
)


def normalise_all(texts: Sequence[str]) -> list[str]:
    """:func:`~contrapose.data.text.normalise` of every text, in a fraction of its time where little is to change.

    >>> normalise_all(["a b", " a  b ", "Cafe\\u0301"])
    ['a b', 'a b', 'Café']
    """
    normal: list[str] = []
    for start in range(0, len(texts), TOGETHER):
        some = texts[start : start + TOGETHER]
        normal += some if _are_normal(some) else [normalise(text) for text in some]
    return normal


def _are_normal(texts: Sequence[str]) -> bool:
    joined = "\n".join(texts)
    if joined.count("\n") != len(texts) - 1 or _CHANGED.search(joined):
        return False
    if joined.isascii():
        return True
    # A line feed composes with nothing, so the joined texts are composed where each of them is. Long texts may hold
    # runs of marks that are cut.
    return unicodedata.is_normalized("NFC", joined) and max(map(len, texts)) < SHORT
