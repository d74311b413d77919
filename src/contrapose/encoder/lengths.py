"""How many tokens of a text are kept: what is asked, what the folder says, what the positions allow."""

from __future__ import annotations

from typing import Any

from contrapose.encoder.backbone import position_limit
from contrapose.encoder.tokens import smallest_length
from contrapose.errors import UsageError

#: The tokenizers of transformers say "no limit" with a number like 10**30.
NO_LIMIT = 1_000_000
#: The cut for an encoder that names no limit anywhere (relative positions, no length in the tokenizer).
FALLBACK_LENGTH = 512


def check_length(length: int, backbone: Any, tokenizer: Any, name: str) -> None:
    """:class:`UsageError` for a cut that leaves no room for a word, or that the model has no positions for."""
    smallest, longest = smallest_length(tokenizer), position_limit(backbone) or max(length, NO_LIMIT)
    if not smallest <= length <= longest:
        raise UsageError(f"max_length must be between {smallest} and {longest} for '{name}', got {length}")


def length_of(asked: int | None, folder_says: int | None, backbone: Any, tokenizer: Any, name: str) -> int:
    """The option, else the folder's word, else what tokenizer and positions allow; never above the positions."""
    if asked is not None:
        check_length(asked, backbone, tokenizer, name)
        return asked
    positions = position_limit(backbone) or NO_LIMIT
    longest = min(folder_says or NO_LIMIT, int(min(tokenizer.model_max_length, NO_LIMIT)), positions)
    return max(smallest_length(tokenizer), longest if longest < NO_LIMIT else FALLBACK_LENGTH)
