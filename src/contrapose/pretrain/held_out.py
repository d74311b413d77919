"""How well hidden words of held-out text are filled in: the same words at every look, whatever was trained between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F

from contrapose.encoder.encoder import Encoder
from contrapose.encoder.own_language_model import OwnLanguageModel
from contrapose.listening import Listener
from contrapose.maths.masking import hide
from contrapose.objectives.objective import Objective
from contrapose.pretrain.step import PART
from contrapose.seeds import torch_generator
from contrapose.selection.budget import EvaluationCost

#: Texts per forward pass; it fits any machine, and changes no result.
TEXTS_PER_PASS = 32
#: Texts that are looked at, at most: some 3,000 hidden words of twenty-word sentences.
MOST_TEXTS = 1_000


class HeldOutWords:
    """The mean loss of hidden words of held-out text, as what the loop measures; its score is the loss below zero."""

    name = "masked-language"
    about = "loss of hidden words on held-out text"

    def __init__(
        self,
        columns: Mapping[str, Sequence[str]],
        objective: Objective,
        *,
        max_length: int,
        mask_rate: float,
        seed: int,
        listener: Listener,
    ) -> None:
        self.texts = list(dict.fromkeys(text for texts in columns.values() for text in texts))[:MOST_TEXTS]
        self._model = cast("OwnLanguageModel", objective.parts[PART].language_model)
        self._max_length, self._rate, self._seed, self._listener = max_length, mask_rate, seed, listener

    def cost(self, encoder: Encoder) -> EvaluationCost:
        lengths = [len(ids) for ids in encoder.token_ids(self.texts, encoder.length_for(self._max_length))]
        return EvaluationCost(pairs=lengths, whole=[0] * len(lengths), fewest=1)

    def keep(self, rows: int) -> None:
        self.texts = self.texts[:rows]

    def begin(self, pretrained: Encoder, precision: str) -> None:
        """Nothing is compared with the pretrained model but its loss, which the first evaluation measures."""

    @torch.no_grad()
    def measure(self, encoder: Encoder, precision: str, *, brief: bool = False) -> dict[str, float]:
        own_tokens = torch.tensor(encoder.tokenizer.all_special_ids, device=encoder.device)
        summed, right, hidden_words = 0.0, 0, 0
        with self._listener.task("measuring on held-out text", len(self.texts), unit="text"):
            for start in range(0, len(self.texts), TEXTS_PER_PASS):
                texts = self.texts[start : start + TEXTS_PER_PASS]
                ids = encoder.token_ids(texts, encoder.length_for(self._max_length))
                ids_NT, mask_NT = encoder.padded(ids)
                words_NT = mask_NT.bool() & ~torch.isin(ids_NT, own_tokens)
                random = torch_generator(self._seed, "held-out-words", start)
                draws_4NT = torch.rand(4, *ids_NT.shape, generator=random).to(ids_NT.device)
                chosen_NT = (draws_4NT[0] < self._rate) & words_NT
                hidden_NT = hide(
                    ids_NT, chosen_NT, draws_4NT[1:], self._model.mask_token_id, self._model.vocabulary_size
                )
                logits_MV = self._model(hidden_NT, mask_NT.bool(), chosen_NT).float()
                words_M = ids_NT[chosen_NT]
                summed += float(F.cross_entropy(logits_MV, words_M, reduction="sum"))
                right += int((logits_MV.argmax(-1) == words_M).sum())
                hidden_words += len(words_M)
                self._listener.advance(len(texts))
        if not hidden_words:
            return {"score": 0.0, "masked_loss": 0.0, "masked_accuracy": 0.0, "hidden_words": 0.0}
        loss = summed / hidden_words
        return {
            "score": -loss,
            "masked_loss": loss,
            "masked_accuracy": right / hidden_words,
            "hidden_words": float(hidden_words),
        }
