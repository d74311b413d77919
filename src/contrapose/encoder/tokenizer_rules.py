"""What a tokenizer.json may ask for: rules that blow text up, and lists that take minutes, are refused by reading them.

A tokenizer is a small program of fixed parts (normalise, split, look up, add special tokens). Most of its faults are
errors. These are not: a rule that puts ten thousand letters in place of one, a word limit of 10^9 with which looking
up takes the cube of the length, and tokens added by the hundred thousand.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Any

from contrapose.errors import ModelError

#: Characters that the rules may make of one. Unicode's own normal forms make 18 of one rare sign; real rules 2 or 4.
MOST_GROWTH = 1_000
#: From here on a long text is cut by what the normalizer makes of it, too.
NOTABLE_GROWTH = 4

MOST_ADDED_TOKENS = 50_000
MOST_RULES = 1_000
#: Special tokens around a text.
MOST_TEMPLATE_PARTS = 64
#: WordPiece looks up every part of a word. Its own default is 100.
LONGEST_WORD = 1_000
LONGEST_SUBWORD_MARK = 16

#: In a pattern, these can match at a place without taking a character.
_ZERO_WIDTH = re.compile(r"[\^$]|\(\?(?!:)|\\[A-Za-z]?[bBAZzGK]")


def check_tokenizer_rules(record: dict[str, Any], path: Path) -> None:
    """:class:`ModelError` for a ``tokenizer.json`` with which encoding would not end."""
    added = record.get("added_tokens")
    check_added_tokens(len(added) if isinstance(added, list) else 0, path)
    stages = [record.get("normalizer"), record.get("pre_tokenizer")]
    if sum(len(_parts(stage)) for stage in stages) > MOST_RULES:
        raise ModelError(f"{path} has more than {MOST_RULES} rules for normalising and splitting text")
    growth = rule_growth(stages[0]) * rule_growth(stages[1])
    if growth > MOST_GROWTH:
        raise ModelError(
            f"{path}: its rules can make a text {growth:,.0f} times as long; at most {MOST_GROWTH} times is accepted"
        )
    template = [part for part in _parts(record.get("post_processor")) if "single" in part]
    if any(_template_size(part) > MOST_TEMPLATE_PARTS for part in template):
        raise ModelError(f"{path} puts more than {MOST_TEMPLATE_PARTS} special tokens around a text")
    model = record.get("model")
    if isinstance(model, dict):
        _check_model(model, path)


def check_added_tokens(count: int, path: Path) -> None:
    """Each added token is put in one by one; some hundred thousand would take minutes."""
    if count > MOST_ADDED_TOKENS:
        raise ModelError(f"{path} adds {count} tokens; at most {MOST_ADDED_TOKENS} are accepted")


def rule_growth(stage: Any) -> float:
    """An upper bound of how many characters a normalizer or pre-tokenizer makes of one, Unicode's normal forms aside.

    >>> rule_growth({"type": "Replace", "pattern": {"String": "a"}, "content": "bbb"})
    3.0
    """
    growth = 1.0
    for part in _parts(stage):
        growth *= _growth_of_one(part)
    return growth


def normalizer_growth(tokenizer: Any) -> float:
    """:func:`rule_growth` of the normalizer of a loaded tokenizer."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.normalizer is None:
        return 1.0
    return rule_growth(json.loads(backend.normalizer.__getstate__()))


def _growth_of_one(part: dict[str, Any]) -> float:
    kind = part.get("type")
    if kind == "Replace":
        content, pattern = part.get("content"), part.get("pattern")
        if not isinstance(content, str) or not isinstance(pattern, dict):
            return 1.0
        return _growth_of_replacing(content, pattern)
    if kind == "Prepend":
        return 1.0 + len(str(part.get("prepend", "")))
    if kind == "ByteLevel":
        return 2.0  # a sign for every byte
    if kind == "Precompiled":
        return _longest_entry(part.get("precompiled_charsmap"))
    return 1.0


def _growth_of_replacing(content: str, pattern: dict[str, Any]) -> float:
    literal, expression = pattern.get("String"), pattern.get("Regex")
    if isinstance(literal, str) and literal:
        return max(1.0, len(content) / len(literal))
    matches_nothing = not isinstance(expression, str) or _can_match_nothing(expression)
    return 1.0 + len(content) if matches_nothing else max(1.0, float(len(content)))


def _can_match_nothing(expression: str) -> bool:
    """Whether a pattern may match between two characters; where that cannot be told, it may."""
    if _ZERO_WIDTH.search(expression):
        return True
    try:
        return re.search(expression, "") is not None
    except (re.error, RecursionError, OverflowError):
        return True


def _longest_entry(charsmap: Any) -> float:
    """sentencepiece's table of replacements: the size of an index, the index, then the texts, each ended by a zero."""
    try:
        table = base64.b64decode(charsmap or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        return 1.0  # the tokenizer's own reader refuses it
    texts = table[4 + int.from_bytes(table[:4], "little") :]
    longest = max(map(len, texts.split(b"\0")), default=0)
    return 1.0 if longest <= 64 else float(longest)  # NFKC's own longest has 33 bytes


def _check_model(model: dict[str, Any], path: Path) -> None:
    word, mark = model.get("max_input_chars_per_word"), model.get("continuing_subword_prefix")
    if isinstance(word, int) and word > LONGEST_WORD:
        raise ModelError(f"{path}: max_input_chars_per_word is {word}; at most {LONGEST_WORD} is accepted")
    if isinstance(mark, str) and len(mark) > LONGEST_SUBWORD_MARK:
        raise ModelError(f"{path}: its continuing_subword_prefix has {len(mark)} characters")


def _template_size(part: dict[str, Any]) -> int:
    single, special = part.get("single"), part.get("special_tokens")
    ids = [token.get("ids") for token in special.values()] if isinstance(special, dict) else []
    longest = max((len(group) for group in ids if isinstance(group, list)), default=1)
    return len(single) * longest if isinstance(single, list) else 0


def _parts(stage: Any) -> list[dict[str, Any]]:
    """The rules of a stage, those inside sequences too."""
    steps: list[dict[str, Any]] = []
    waiting = [stage]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            steps.append(item)
            waiting += [value for key, value in item.items() if key in _INNER]
    return steps


_INNER = ("normalizers", "pretokenizers", "processors")
