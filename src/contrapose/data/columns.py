"""What the columns of a table mean: one text, or an anchor with its positive and negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contrapose.data.text import printable
from contrapose.errors import DataError, UsageError

#: Tables of pairs and triplets: the names of anchor, positive and (may be missing) negatives, most telling first.
#: Ours and sentence-transformers'; SimCSE's; FlagEmbedding's; pairs of other common data sets.
PAIRS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("anchor", "positive", ("negative",)),
    ("sent0", "sent1", ("hard_neg",)),
    ("query", "pos", ("neg",)),
    ("query", "positive", ("negative",)),
    ("sentence1", "sentence2", ()),
    ("text1", "text2", ()),
)

#: Names of a single column of texts, most telling first.
SINGLES = ("text", "sentence", "content")

KNOWN_NAMES = frozenset(SINGLES).union(*({a, p, *n} for a, p, n in PAIRS))


@dataclass(frozen=True)
class ColumnMapping:
    """Which fields of a table are read (``keys``) and what they are called in the corpus (``names``)."""

    names: tuple[str, ...]
    keys: tuple[str, ...]


SINGLE_TEXT = ("text",)
#: What the column of classes is called in the corpus; it comes after the texts.
LABEL = "label"


def roles(count: int) -> tuple[str, ...]:
    """The corpus's column names for ``count`` texts per row.

    >>> roles(1), roles(4)
    (('text',), ('anchor', 'positive', 'negative_1', 'negative_2'))
    """
    if count == 1:
        return SINGLE_TEXT
    return ("anchor", "positive", *(f"negative_{i}" for i in range(1, count - 1)))


def map_columns(
    available: Sequence[str], given: Sequence[str] | None, textual: Sequence[str], label: str | None = None
) -> ColumnMapping | None:
    """How to read a table with the columns ``available``, or None when its names do not tell.

    ``given`` names come first and in their order: one is the text, several are anchor, positive, negatives. Otherwise
    known names of pairs, then of single texts; at last, a table whose only column of texts (``textual``) has any name.
    ``label`` names the column of classes; it is no text, and comes last.

    >>> map_columns(["sent0", "sent1", "hard_neg"], None, []).names
    ('anchor', 'positive', 'negative_1')
    >>> map_columns(["id", "body"], None, textual=["body"])
    ColumnMapping(names=('text',), keys=('body',))
    >>> map_columns(["text", "intent"], None, [], label="intent").names
    ('text', 'label')
    """
    if label is not None:
        texts = [name for name in textual if name != label]
        mapping = map_columns([name for name in available if name != label], given, texts)
        if mapping is None or label not in available:
            return None
        return ColumnMapping((*mapping.names, LABEL), (*mapping.keys, label))
    if given is not None:
        return ColumnMapping(roles(len(given)), tuple(given)) if set(given) <= set(available) else None
    by_name: dict[str, str] = {}
    for key in available:
        by_name.setdefault(key.strip().lower(), key)
    for anchor, positive, negatives in PAIRS:
        if anchor in by_name and positive in by_name:
            keys = [by_name[anchor], by_name[positive]]
            keys += [by_name[name] for name in negatives if name in by_name] or _numbered(by_name)
            return ColumnMapping(roles(len(keys)), tuple(keys))
    for name in SINGLES:
        if name in by_name:
            return ColumnMapping(SINGLE_TEXT, (by_name[name],))
    return ColumnMapping(SINGLE_TEXT, (textual[0],)) if len(textual) == 1 else None


def _numbered(by_name: dict[str, str]) -> list[str]:
    """The columns negative_1, negative_2, ... as far as they go on."""
    names: list[str] = []
    while (name := f"negative_{len(names) + 1}") in by_name:
        names.append(by_name[name])
    return names


def check_given(columns: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names given by the user, or None; an empty or doubled name is a :class:`UsageError`."""
    if columns is None:
        return None
    given = (columns,) if isinstance(columns, str) else tuple(columns)
    if not given or not all(given):
        raise UsageError("column names must not be empty: give for example --columns question,answer")
    if len(set(given)) != len(given):
        raise UsageError(f"a column is given twice: {printable(', '.join(given))}")
    return given


def unmapped_columns(
    shown: str, available: Sequence[str], given: Sequence[str] | None, label: str | None = None
) -> DataError | UsageError:
    """The error for a table that cannot be read as it stands; lists its columns, escaped."""
    listed = ", ".join(printable(name, 40) for name in available[:20]) + (
        " ..." if len(available) > 20 else ""
    )
    if label is not None and label not in available:
        return UsageError(
            f"{shown} has no column {printable(label, 40)} for the labels. Its columns: {listed or 'none'}"
        )
    if given is not None:
        missing = ", ".join(printable(name, 40) for name in given if name not in available)
        return UsageError(f"{shown} has no column {missing}. Its columns: {listed}")
    return DataError(
        f"{shown}: which columns are the texts? Found: {listed}. Give --columns TEXT for single texts, or "
        "--columns ANCHOR,POSITIVE[,NEGATIVE...] for pairs; in a csv or tsv without a header, positions: --columns 2,3"
    )


def cell_text(value: Any, role: str) -> tuple[str, str]:
    """(text, "") of one cell, or ("", what is wrong with it). A list of positives or negatives gives its first; a
    label may be a whole number.

    >>> cell_text(["a", "b"], "positive"), cell_text(3.5, "text")
    (('a', ''), ('', 'a number'))
    """
    if role == LABEL and isinstance(value, int):
        return str(value), ""
    if isinstance(value, list) and role not in ("text", "anchor", LABEL):
        if not value:
            return "", "an empty list"
        value = value[0]
    if not isinstance(value, str):
        return "", _KINDS.get(type(value), "not a text")
    if not value.isascii() and any("\ud800" <= ch <= "\udfff" for ch in value):
        return "", "half a surrogate pair"
    return value, ""


_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    bytes: "binary data",
}
