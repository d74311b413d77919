"""Every text inside a template, with the state at its mask token as its vector (PromptBERT).

    anchor:  opening_1 text closing_1         positive and given negatives:  opening_2 text closing_2
    vector = state at [MASK] of (template with text) - state at [MASK] of (the same template with the text hidden)

A masked language model was trained to put into that state what belongs there, so 'This sentence : "..." means [MASK]'
asks it for what the text means. The state also holds what the template says by itself: with two templates for two
views, and that part taken away, what is left in common is the text. The words of the template keep their places where
the text is hidden, so that the part taken away belongs to texts of that length. Its gradient enters the encoder too.

After training the model keeps the first template and takes nothing away. The encoder does all this; the loss sees
vectors as ever, so any method can use it.

Jiang et al. 2022 (PromptBERT), https://arxiv.org/abs/2201.04337
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contrapose.contract import Needs, Part, Template

FIRST = 'This sentence of "{text}" means [MASK].'
SECOND = 'This sentence : "{text}" means [MASK].'


class PromptTemplate(Part):
    """A part that only needs: the encoder writes the templates and takes their bias away.

    >>> PromptTemplate().needs.template.anchor
    'This sentence of "{text}" means [MASK].'
    """

    name = "prompt-template"
    idea = "Every text inside a template; the state at its mask token is the vector (PromptBERT)."

    def __init__(
        self,
        *,
        template: Annotated[
            str,
            Field(
                min_length=1,
                max_length=500,
                description="around anchors, and around every text after training: {text}, and [MASK] after it",
            ),
        ] = FIRST,
        second_template: Annotated[
            str, Field(min_length=1, max_length=500, description="around the texts of all other views")
        ] = SECOND,
        remove_template_bias: Annotated[
            bool, Field(description="take from a vector, in training, what its template gives by itself")
        ] = True,
    ) -> None:
        super().__init__()
        self.needs = Needs(
            template=Template(anchor=template, others=second_template, remove_bias=remove_template_bias)
        )

    @classmethod
    def role(cls) -> str:
        return "template"


PART = PromptTemplate
