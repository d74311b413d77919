"""What the numbers of a model folder may be: those that would build forever, fill the memory or break a later step."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from contrapose.errors import ModelError

#: How often a part of a model may be repeated: the deepest known encoders have 60 layers, the widest 512 experts.
MOST_PARTS = 1_024
#: Keys that say how often a part is built, under the names that architectures have for it, and those that sound so.
_COUNTS = re.compile(r"layer|group|expert|block|stage|depth|heads|n_head")
_SIZES = re.compile(r"size|dim|vocab|position|token|index|ids")

#: transformers makes a table of names, entry by entry, for the labels of a classifier.
MOST_LABELS = 100_000

#: Of a real model the prompt is a few words; it is put in front of every text.
LONGEST_PROMPT = 2_000


def check_config_numbers(entries: list[tuple[str, Any]], path: Path) -> None:
    """:class:`ModelError` for a number in config.json that no encoder has; ``entries``: all its keys and values."""
    for key, value in entries:
        if isinstance(value, float) and not math.isfinite(value):
            raise ModelError(f"{path}: {key} is {value}, which is no number to build a model with")
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if "dropout" in key and not 0 <= value <= 1:
            raise ModelError(f"{path}: {key} is {_short(value)}; a probability lies between 0 and 1")
        if "num_labels" in key and value > MOST_LABELS:
            raise ModelError(f"{path}: {key} is {_short(value)}; at most {MOST_LABELS} are accepted")
        if _COUNTS.search(key) and not _SIZES.search(key) and value > MOST_PARTS:
            raise ModelError(f"{path}: {key} is {_short(value)}; at most {MOST_PARTS} are accepted")


def check_tokenizer_config(config: dict[str, Any], path: Path) -> None:
    """:class:`ModelError` for a length in tokenizer_config.json that is none."""
    length = config.get("model_max_length")
    if length is None:
        return
    # transformers says "no limit" with 1e30.
    if not isinstance(length, (int, float)) or isinstance(length, bool) or not length >= 1:
        raise ModelError(f"{path}: model_max_length is {_short(length)}, expected a positive number")


def check_prompt(prompt: Any, name: str) -> str:
    """The default prompt of a folder, if it is text that can stand in front of other text."""
    if not isinstance(prompt, str):
        raise ModelError(f"'{name}': its default prompt is no text")
    if len(prompt) > LONGEST_PROMPT:
        raise ModelError(
            f"'{name}': its default prompt has {len(prompt)} characters; at most {LONGEST_PROMPT} are accepted"
        )
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise ModelError(f"'{name}': its default prompt {prompt[:60]!r} holds half a character") from None
    return prompt


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"
    return shown if len(shown) <= 40 else f"{shown[:40]}..."
