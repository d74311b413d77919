"""Text to token ids: cleaned, capped in characters *before* the tokenizer sees it, cut, special tokens added."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from contrapose.errors import ContraposeError, ModelError, UsageError

#: Characters kept per allowed token. A tokenizer's time can grow with the square of an unbroken run of characters, so
#: one hostile megabyte could stop a server. Only text whose tokens are longer than this on average is affected.
CHARACTERS_PER_TOKEN = 64

#: Characters given to the tokenizer at once; its tokens take about 100 bytes each until the ids are taken out.
CHARACTERS_PER_CALL = 4_000_000

#: For the few tokenizers that keep their cut length as state.
_ONE_AT_A_TIME = threading.Lock()


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
        text = prompt + (text.lower() if lower_case else text)
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode("utf-8")
        cleaned.append(text)
    return cleaned


def tokenize(tokenizer: Any, texts: list[str], max_length: int) -> list[list[int]]:
    """Ids of each text with the tokenizer's special tokens, at most ``max_length`` of them.

    Nothing is set on the tokenizer, so any number of threads may cut at lengths of their own at the same time.
    """
    rows: list[list[int]] = []
    with tokenizer_faults():
        if not is_plain(tokenizer):
            return _tokenize_by_transformers(tokenizer, texts, max_length) if texts else []
        backend = tokenizer.backend_tokenizer
        forget_cut(backend)
        room = max(0, max_length - backend.num_special_tokens_to_add(False))
        for part in _parts(texts):
            for encoding in backend.encode_batch_fast(part, add_special_tokens=False):
                if len(encoding) > room:
                    encoding.truncate(room, direction=tokenizer.truncation_side)
                rows.append(backend.post_process(encoding).ids)
    return rows


@contextmanager
def tokenizer_faults() -> Iterator[None]:
    """What a tokenizer raises at a text that it cannot take is a :class:`ModelError`; so is a panic of its library."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, (ContraposeError, MemoryError)) or not (
            isinstance(error, Exception) or is_panic(error)
        ):
            raise
        raise ModelError(
            f"the model's tokenizer cannot encode this text: {reason_of(error)}. Its files are damaged or do not "
            "belong together; take them from where the model comes from."
        ) from None


def reason_of(error: BaseException) -> str:
    """What a foreign error says, on one line and without its full stop."""
    return (" ".join(str(error).split()) or type(error).__name__)[:400].rstrip(".")


def is_panic(error: BaseException) -> bool:
    """A panic of a Rust library: no Exception, and of a class that can be imported from nowhere."""
    return type(error).__name__ == "PanicException"


def is_plain(tokenizer: Any) -> bool:
    """Whether the tokenizer does no more than its backend; some classes of transformers put their own work on top."""
    from transformers import PreTrainedTokenizerFast

    return isinstance(tokenizer, PreTrainedTokenizerFast) and all(
        getattr(type(tokenizer), name, None) is getattr(PreTrainedTokenizerFast, name, None)
        for name in ("__call__", "_encode_plus", "_batch_encode_plus")
    )


def forget_cut(backend: Any) -> None:
    """Take off what a tokenizer's file, or a caller who used the tokenizer directly, has left as cut and padding."""
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()


def _tokenize_by_transformers(tokenizer: Any, texts: list[str], max_length: int) -> list[list[int]]:
    with _ONE_AT_A_TIME:
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


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """The texts in parts of bounded size: the tokens of a text that will be cut take memory too."""
    part: list[str] = []
    characters = 0
    for text in texts:
        if part and characters + len(text) > CHARACTERS_PER_CALL:
            yield part
            part, characters = [], 0
        part.append(text)
        characters += len(text)
    if part:
        yield part


def cut_to_growth(normalizer: Any, text: str, most: int) -> str:
    """The longest start of ``text`` that the normalizer turns into no more than ``most`` characters."""

    def fits(size: int) -> bool:
        return len(normalizer.normalize_str(text[:size])) <= most

    size = 1
    # By doubling, so that a normalizer that turns a letter into a page is asked about a few letters only.
    while fits(size):
        if size >= len(text):
            return text
        size *= 2
    low, high = size // 2, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return text[:low]


def smallest_length(tokenizer: Any) -> int:
    """The special tokens and room for one more."""
    return int(tokenizer.num_special_tokens_to_add()) + 1
