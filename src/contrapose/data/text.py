"""One form for equal texts: NFC, single spaces, no control characters; and a safe way to show any text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Control characters that are not white space, and the byte order mark wherever it stands. White space (tab, line
#: feed, U+0085 and the separators U+001C to U+001F among it) is folded instead of removed.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]")

#: Combining marks kept in a row, the limit of Unicode's stream-safe text format (UAX 15). Sorting a longer run is
#: quadratic in Python: 100,000 alternating marks took 6 s.
MAX_MARKS = 30

#: Texts shorter than this are not searched for long runs: even one single run costs them nothing.
SHORT = 512


def normalise(text: str) -> str:
    """The form in which texts are compared, stored and trained on.

    Control characters are removed, white space is folded to single spaces and stripped, and the result is composed
    (NFC). Runs of more than :data:`MAX_MARKS` combining marks in long texts are cut. Case, punctuation, emoji and
    joiners stay. Normalising twice changes nothing. The time is linear in the length.

    Lone surrogates are left alone; the readers refuse them before.

    >>> normalise("  Cafe\\u0301\\t\\n au\\x00 lait ")
    'Café au lait'
    """
    folded = " ".join(_CONTROLS.sub("", text).split())
    if folded.isascii():
        return folded
    if len(folded) < SHORT:
        return unicodedata.normalize("NFC", folded)
    long_run = _long_run()
    cut = long_run.sub(r"\1", folded)
    return long_run.sub(r"\1", unicodedata.normalize("NFC", cut))


@lru_cache(maxsize=1)
def _long_run() -> re.Pattern[str]:
    """More than MAX_MARKS combining marks; group 1 is what stays. Built on first use: it reads the whole table."""
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code))]
    ranges: list[list[int]] = []
    for code in marks:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    mark = "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges) + "]"
    return re.compile(f"({mark}{{{MAX_MARKS}}}){mark}+")


def printable(text: object, limit: int = 120) -> str:
    """``text`` as one line that cannot steer a terminal: what is not printable is escaped, what is long is cut.

    >>> print(printable("red \\x1b[31m alert\\n"))
    red \\x1b[31m alert\\n
    >>> printable("abcdef", limit=4)
    'abc…'
    """
    shown = str(text)
    cut = shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"
    if cut.isprintable():
        return cut
    return "".join(ch if ch.isprintable() else ch.encode("unicode_escape").decode() for ch in cut)
