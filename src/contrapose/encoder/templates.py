"""Words around every text, and the state at their mask token as its vector (PromptBERT).

    ids = opening + text + closing          opening: [CLS] This sentence : "          closing: " means [MASK] . [SEP]

The template is a rule of the tokenizer, as [CLS] and [SEP] are: what is cut is the text, and whoever reads the saved
tokenizer writes the same words around it. A mask token in the text itself counts too: the vector is the mean over all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from contrapose.contract.template import MASK, TEXT
from contrapose.encoder.tokens import forget_cut, is_plain
from contrapose.errors import ModelError, UsageError

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: Rows of token ids, and of each the span of tokens that no other token may see, to vectors (N, ...).
EncodeRows = Callable[[Sequence[Sequence[int]], Sequence[slice]], Tensor]

NOTHING = slice(0, 0)


@dataclass(frozen=True)
class TemplateTokens:
    """A template as the ids before and after a text, the tokenizer's own special tokens among them."""

    words: str
    opening: tuple[int, ...]
    closing: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.opening) + len(self.closing)

    def text_of(self, ids: Sequence[int]) -> slice:
        """Where the text stands in a row of ids."""
        return slice(len(self.opening), len(ids) - len(self.closing))


def template_tokens(tokenizer: Any, words: str, name: str) -> TemplateTokens:
    """The ids of a template. Raises UsageError where the tokenizer has no mask token, or a template already.

    Blanks before the place of the text are left out; a blank after it belongs to what follows.
    """
    if tokenizer.mask_token is None:
        raise UsageError(
            f"'{name}' has no mask token, and the method's template needs one: take a masked language model, such as "
            "BERT or RoBERTa, or a sentence encoder that was made from one"
        )
    if not is_plain(tokenizer):
        raise UsageError(
            f"the tokenizer of '{name}' ({type(tokenizer).__name__}) does work of its own, so no template can be put "
            "around its texts: take another model"
        )
    backend = tokenizer.backend_tokenizer
    forget_cut(backend)  # a folder's rule of padding would be taken for tokens of the template
    between = backend.encode("a", add_special_tokens=False)
    around = backend.post_process(between).ids
    if tokenizer.mask_token_id in around:
        raise UsageError(
            f"'{name}' has a template already, which it was trained with: train it with a method that brings none"
        )
    start = next(place for place in range(len(around)) if around[place : place + len(between)] == between.ids)
    before, after = words.replace(MASK, tokenizer.mask_token).split(TEXT)
    ids = [backend.encode(part, add_special_tokens=False).ids for part in (before.rstrip(), after)]
    opening, closing = (*around[:start], *ids[0]), (*ids[1], *around[start + len(between) :])
    return TemplateTokens(words, opening, closing)


def write_around_every_text(tokenizer: Any, template: TemplateTokens) -> None:
    """Make the template a rule of the tokenizer, in place of its own special tokens."""
    from tokenizers.processors import TemplateProcessing

    backend = tokenizer.backend_tokenizer
    pieces = [
        {"id": name, "ids": list(ids), "tokens": [backend.id_to_token(token) for token in ids]}
        for name, ids in (("opening", template.opening), ("closing", template.closing))
    ]
    backend.post_processor = TemplateProcessing(
        single="opening $A closing", pair="opening $A closing $B:1 closing:1", special_tokens=pieces
    )


def check_mask_pooling(tokenizer: Any, weighted_token: int | None, name: str) -> None:
    """Raise ModelError where a model is to be pooled at its mask token, and none stands around its texts."""
    mask = tokenizer.mask_token_id
    around = tokenizer.backend_tokenizer.encode("").ids if tokenizer.is_fast else []
    if mask is None or mask not in around or weighted_token not in (None, mask):
        raise ModelError(
            f"'{name}' takes its vectors at a mask token, and its tokenizer writes no such token around a text: its "
            "files are damaged or do not belong together"
        )


def ids_of_views(
    encoder: Encoder, views: Mapping[str, Sequence[str]], max_length: int
) -> tuple[list[list[int]], list[int]]:
    """Token ids of all texts, view after view, and the number of the template around each.

    The first view has the first of the encoder's templates, all others the last.
    """
    texts = [text for view in views.values() for text in view]
    longest = encoder.length_for(max_length)
    if len(encoder.templates) < 2:
        ids = encoder.token_ids(texts, longest)
        return ids, [0] * len(ids)
    first, *_, last = encoder.templates
    # A longer last template needs its room too: beyond the model's length there may be no positions.
    room = max(0, len(last) - len(first))
    ids = encoder.token_ids(texts, min(longest, encoder.max_length - room))
    num_first = len(next(iter(views.values())))
    rest = [[*last.opening, *row[first.text_of(row)], *last.closing] for row in ids[num_first:]]
    return ids[:num_first] + rest, [0] * num_first + [len(encoder.templates) - 1] * len(rest)


def without_bias(
    rows: Sequence[Sequence[int]], templates: Sequence[TemplateTokens], encode: EncodeRows
) -> Tensor:
    """Vectors of rows (N, ...), less what each one's template gives by itself at the row's length.

    templates: of each row. The template by itself is the same row with its text hidden from all other tokens, so
    that every word of the template stands where it stood. Rows of one template and length share one such row, and with
    it its dropout; the gradient enters both.
    """
    kinds = [(template.words, len(row)) for row, template in zip(rows, templates, strict=True)]
    first_of_kind = {kind: number for number, kind in reversed([*enumerate(kinds)])}
    alone = list(first_of_kind.values())
    hidden = [templates[number].text_of(rows[number]) for number in alone]
    vectors = encode([*rows, *(rows[number] for number in alone)], [*[NOTHING] * len(rows), *hidden])
    bias_of_kind = {kind: len(rows) + number for number, kind in enumerate(first_of_kind)}
    biases = torch.tensor([bias_of_kind[kind] for kind in kinds], device=vectors.device)
    return vectors[: len(rows)] - vectors[biases]
