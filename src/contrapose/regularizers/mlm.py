"""Masked language modelling beside the contrast: the encoder must go on being able to fill in hidden words.

    x'   = x with a share of its words hidden                     80 % [MASK], 10 % another word, 10 % left as they are
    term = weight * mean over the hidden words w of all views of  -log softmax( V g(f(x')_w) )[w]

f is the encoder that is trained, read once more on the hidden text; g is the head's small layer, V its word table, tied
to the table of f. So the gradient reaches the encoder through the tokens, not through the sentence vectors. Which words
are hidden is drawn anew at every step, for each view by itself; special tokens and padding are never hidden.

Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP, section 6.3 and table 6 (there it
helps transfer and costs similarity); https://arxiv.org/abs/2104.08821

Each process hides the words that one process would hide, and its term is its share of the mean over the whole batch.
The published code averages the means of the processes instead. ``mlm_accuracy`` in the log is of the first process's
rows; in pretraining, of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from contrapose.contract import Needs, Network, Part, Supplies, Tokens, Views
from contrapose.maths.masking import hide
from contrapose.maths.similarity import at_least_fp32
from contrapose.seeds import seeded, torch_generator

#: Of a head: that of the model's folder, a new one, or a new one where the folder has none.
HEADS: Mapping[str, str] = {"pretrained": "start", "new": "new", "any": "new-if-missing"}


class MaskedLanguageModelling(Part):
    """SimCSE's masked-language term. See the module's docstring for the equation."""

    name = "mlm"
    idea = "Beside the contrast, the encoder goes on filling in hidden words, as a language model (SimCSE with MLM)."

    language_model: nn.Module

    def __init__(
        self,
        *,
        mlm_weight: Annotated[
            float, Field(ge=0, le=100, description="weight of the masked-language term in the loss")
        ] = 0.1,
        mlm_rate: Annotated[
            float, Field(gt=0, lt=1, description="share of the words that are hidden, to be filled in")
        ] = 0.15,
        language_head: Annotated[
            Literal["pretrained", "new", "any"],
            Field(
                description="the head that fills in words: the model's own, a new one, or whichever there is"
            ),
        ] = "pretrained",
    ) -> None:
        super().__init__()
        self.weight, self.rate = mlm_weight, mlm_rate
        self.needs = Needs(
            tokens=True,
            networks=(
                Network(
                    name="language_model",
                    kind="own-language-model",
                    source=HEADS[language_head],
                    trainable=True,
                ),
            ),
        )

    def attach(self, supplies: Supplies) -> None:
        self.language_model = supplies.networks["language_model"]

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        term, filled_in_2 = self.measured(views)
        self.report(mlm_accuracy=accuracy(filled_in_2))
        return {"mlm": term}

    def measured(self, views: Views) -> tuple[Tensor, Tensor]:
        """This process's share of the term; and (2,), in its rows, how many words were filled in right, and hidden."""
        hidden = [self._hidden(name, tokens, views) for name, tokens in views.tokens.items()]
        texts = list(views.tokens.values())
        ids_RT = torch.cat([tokens.ids_RT for tokens in texts])
        attention_RT = torch.cat([tokens.attention_RT for tokens in texts])
        hidden_RT = torch.cat([ids for ids, _, _ in hidden])
        chosen_RT = torch.cat([chosen for _, chosen, _ in hidden])
        num_hidden = sum(count for _, _, count in hidden)
        first_row = texts[0].rows.start or 0
        with seeded(views.seed, "mlm", "dropout", views.step, first_row, device=ids_RT.device):
            logits_MV = self.language_model(hidden_RT, attention_RT, chosen_RT)
        words_M = ids_RT[chosen_RT]
        right = (logits_MV.detach().argmax(-1) == words_M).sum()
        summed = F.cross_entropy(at_least_fp32(logits_MV), words_M, reduction="sum")
        return (
            self.weight * summed / max(1, num_hidden),
            torch.stack([right, right.new_tensor(len(words_M))]),
        )

    def _hidden(self, name: str, tokens: Tokens, views: Views) -> tuple[Tensor, Tensor, int]:
        """(R, T) ids with words hidden, (R, T) which ones, and how many they are in the whole batch."""
        words_BT, device = tokens.words_of_batch, tokens.ids_RT.device
        random = torch_generator(views.seed, "mlm", views.step, name)
        # Drawn for the whole batch, so that several processes draw what one would.
        draws_4BT = torch.rand(4, *words_BT.shape, generator=random).to(device)
        chosen_BT = (draws_4BT[0] < self.rate) & words_BT
        mask_id, vocabulary_size = (
            cast("int", getattr(self.language_model, wanted))
            for wanted in ("mask_token_id", "vocabulary_size")
        )
        own = tokens.rows if tokens.words_BT is not None else slice(None)
        chosen_RT = chosen_BT[own]
        hidden_RT = hide(tokens.ids_RT, chosen_RT, draws_4BT[1:, own], mask_id, vocabulary_size)
        return hidden_RT, chosen_RT, int(chosen_BT.sum())


def accuracy(filled_in_2: Tensor) -> Tensor:
    """The share of the hidden words that was filled in right; 0 where none was hidden.

    >>> accuracy(torch.tensor([3, 4])), accuracy(torch.tensor([0, 0]))
    (tensor(0.7500), tensor(0.))
    """
    return filled_in_2[0] / filled_in_2[1].clamp(min=1)


PART = MaskedLanguageModelling
