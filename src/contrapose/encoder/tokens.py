"""Text to token ids: cleaned, capped in characters *before* the tokenizer sees it, cut, special tokens added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contrapose.errors import UsageError

#: Characters kept per allowed token. A tokenizer's time can grow with the square of an unbroken run of characters, so
#: one hostile megabyte could stop a server. Only text whose tokens are longer than this on average is affected.
CHARACTERS_PER_TOKEN = 64


def clean(
    texts: Sequence[str], max_characters: int, *, prompt: str = "", lower_case: bool = False
) -> list[str]:
    """Texts ready for the tokenizer: prompt in front, lone surrogates replaced, capped at ``max_characters``.

    Raises :class:`UsageError` for a bare string in place of a list, and for an item that is no string.

    >>> clean(["abcdef"], 3, prompt="q: ")
    ['q: abc']
    """
    if isinstance(texts, (str, bytes)):
        raise UsageError(f"expected a list of texts, got one {type(texts).__name__}: write [text]")
    cleaned = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"text number {position} is {type(text).__name__}, expected str")
        text = text[:max_characters]
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")
        cleaned.append(prompt + (text.lower() if lower_case else text))
    return cleaned


def tokenize(tokenizer: Any, texts: list[str], max_length: int) -> list[list[int]]:
    """Ids of each text with the tokenizer's special tokens, at most ``max_length`` of them."""
    if not texts:
        return []
    encoded = tokenizer(
        texts,
        add_special_tokens=True,
        truncation=True,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return [list(ids) for ids in encoded["input_ids"]]


def smallest_length(tokenizer: Any) -> int:
    """The special tokens and room for one more."""
    return int(tokenizer.num_special_tokens_to_add()) + 1
