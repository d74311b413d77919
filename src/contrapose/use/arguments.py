"""Which arguments of a search are text to search through, and which are queries.

``search MODEL a.txt notes/*.txt "a query" "another"``: what leads to a file, a folder or a match is a corpus, the rest
are queries. Files come first. What could be meant as a file, and is none, is an error: a mistyped name is not a query.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from contrapose.data.sources import FORMATS, STDIN
from contrapose.data.text import printable
from contrapose.errors import DataError, UsageError

#: Endings that make a word a file's name, whether the file is there or not.
ENDINGS = tuple(f".{kind}{packed}" for kind in FORMATS for packed in ("", ".gz"))
#: How to say that a word is a query, which a blank at its end does: no file is called so.
AS_QUERY = "If it is a query, write it with a blank at its end: {}"


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(corpora, queries), each in order.

    Raises :class:`UsageError` for no query, and for a file that stands behind one; :class:`DataError` for a name that
    leads to nothing and does not look like a query.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".txt") as file:
    ...     corpora, queries = split_arguments([file.name, "/dev/null", "what?", "and how"])
    >>> len(corpora), queries
    (2, ['what?', 'and how'])
    """
    number = next((index for index, word in enumerate(arguments) if not is_there(word)), len(arguments))
    if number == 0 and arguments:
        raise DataError(f"no such file or folder: {printable(arguments[0], 300)}")
    corpora, queries = list(arguments[:number]), list(arguments[number:])
    if not queries:
        raise UsageError(_no_query(corpora))
    for query in queries:
        shown, quoted = printable(query, 300), AS_QUERY.format(f'"{printable(query, 300)} "')
        if is_there(query):
            raise UsageError(
                f"'{shown}' stands behind a query, and it names something to search through. Put files and folders "
                f"before the first query. {quoted}"
            )
        if (meant := could_be_file(query)) is not None:
            raise DataError(f"no such file or folder: {shown}{meant} {quoted}")
    return corpora, queries


def is_there(word: str) -> bool:
    """Whether a word leads to text: standard input, a file, a folder, or a glob with a match."""
    if word == STDIN:
        return True
    if not word or "\0" in word:
        return False
    try:
        return os.path.lexists(word) or bool(glob.has_magic(word) and glob.glob(word, recursive=True))
    except OSError:  # a sentence may be longer than any file's name
        return False


def could_be_file(word: str) -> str | None:
    """None for a query; else, for a word that may be a mistyped file, the end of a sentence that says so.

    >>> could_be_file("how do I sort a list?"), could_be_file("TCP/IP")
    (None, None)
    >>> could_be_file("no-such-notes.txt")
    '.'
    """
    one_word = len(word.split()) == 1 and word == word.strip()
    if not one_word:
        return "." if word.lower().endswith(ENDINGS) else None
    folder, name = os.path.split(word)
    if word.lower().endswith(ENDINGS) or word.startswith(("/", "./", "../", "~")):
        return _nearest(folder, name) or "."
    if folder and (Path(folder).is_dir() or "*" in word):
        return _nearest(folder, name) or "."
    if "**" in word or "*." in word:
        return "."
    return _nearest(folder, name) if "." in name.strip(".") else None


def _nearest(folder: str, name: str) -> str | None:
    """The file beside it that is called nearly so, as a question."""
    try:
        names = [each for each in os.listdir(folder or ".") if each.lower().endswith(ENDINGS)]
    except OSError:
        return None
    close = get_close_matches(name, names, n=1, cutoff=0.8)
    return f". Did you mean '{printable(os.path.join(folder, close[0]), 300)}'?" if close else None


def _no_query(corpora: Sequence[str]) -> str:
    if len(corpora) < 2:
        return "no query was given: write what to look for behind the text to search"
    last = printable(corpora[-1], 300)
    return (
        f"no query was given: all of the arguments name something to search through, the last one ('{last}') too. "
        + AS_QUERY.format(f'"{last} "')
    )
