"""The words of a text, as a search by words counts them."""

from __future__ import annotations

import re

#: Letters of scripts that put no blank between words: Thai and Lao, Burmese, Khmer, kana, Han.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")


def words(text: str) -> list[str]:
    """Runs of letters and digits, without case; where a script puts no blanks, every two neighbouring letters.

    No language is assumed: nothing is stemmed, and no word is too common to count, since its weight falls with the
    number of texts that have it.

    >>> words("The self-attention of BERT_base"), words("東京都 2024")
    (['the', 'self', 'attention', 'of', 'bert', 'base'], ['東京', '京都', '2024'])
    """
    found: list[str] = []
    for run in _RUN.findall(text.casefold()):
        if len(run) > 2 and _FIRST_UNSPACED.match(run):
            found += [run[start : start + 2] for start in range(len(run) - 1)]
        else:
            found.append(run)
    return found
