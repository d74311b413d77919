"""Where a text ends one sentence and begins the next: by closing punctuation, for views and probes, not for grammar."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+")


def sentences_of(text: str) -> list[str]:
    """The sentences of a text; a text without closing punctuation is one.

    An abbreviation ends a sentence too: what is built on this must not mind.

    >>> sentences_of("One is here. Is two? Three")
    ['One is here.', 'Is two?', 'Three']
    """
    return [part.strip() for part in _END.split(text) if part.strip()]
