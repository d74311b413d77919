"""Words around every text, with a mask token whose state is the text's vector (PromptBERT)."""

from __future__ import annotations

from dataclasses import dataclass

#: Where the text stands in a template, and its mask token, whatever the model's tokenizer calls its own.
TEXT, MASK = "{text}", "[MASK]"


@dataclass(frozen=True, kw_only=True)
class Template:
    """What is written around the texts of a batch.

    anchor       around the anchor, and around every text once training is over: the model keeps it
    others       around the texts of all other views
    remove_bias  take from each vector, in training, what the template alone gives at the same length

    >>> Template(anchor='This sentence : "{text}" means [MASK].', others='"{text}" means [MASK].').remove_bias
    True
    >>> Template(anchor="{text} means", others="{text} means [MASK]")
    Traceback (most recent call last):
    ValueError: the template '{text} means' must hold {text} once, and after it [MASK] once
    """

    anchor: str
    others: str
    remove_bias: bool = True

    def __post_init__(self) -> None:
        for template in (self.anchor, self.others):
            once = template.count(TEXT) == 1 and template.count(MASK) == 1
            if not once or template.index(MASK) < template.index(TEXT):
                raise ValueError(f"the template '{template}' must hold {TEXT} once, and after it {MASK} once")
