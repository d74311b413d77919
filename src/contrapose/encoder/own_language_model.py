"""An encoder that is trained, as a masked language model: a head on its last layer says which word is hidden where.

The head is transformers' own for the architecture. Its last matrix is tied to the encoder's word table wherever the
architecture ties them: there is one tensor, the encoder's, and the head only refers to it.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrapose.encoder.backbone import NoLanguageHead, language_architecture, load_masked_language_model
from contrapose.encoder.by_length import length_groups
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.opening import open_model
from contrapose.errors import UsageError
from contrapose.seeds import seeded

#: Groups of like length of a batch, on every device: dropout is drawn group by group, so another number is another run.
NUM_GROUPS = 3


class OwnLanguageModel(nn.Module):
    """Token ids to logits over the vocabulary at chosen positions; gradients reach the encoder through the tokens.

    The module holds the head alone: the encoder is trained and saved by whoever holds it.

    mask_token_id    what stands for a hidden token
    vocabulary_size  of the tokenizer
    bf16             compute in bfloat16, but for the logits' softmax, which is the caller's
    is_new           the head was drawn, and knows nothing yet
    """

    def __init__(self, encoder: Encoder, network: Any, *, bf16: bool = False, is_new: bool = False) -> None:
        super().__init__()
        if encoder.tokenizer.mask_token_id is None:
            raise UsageError(
                f"the tokenizer of '{encoder.name}' has no mask token, so no word can be hidden from the model: masked "
                "language modelling needs a tokenizer that has one"
            )
        decoder = network.get_output_embeddings()
        if decoder is None or not hasattr(network, network.base_model_prefix):
            raise UsageError(
                f"'{encoder.name}' ({encoder.backbone.config.model_type}) keeps its masked-language-model head where "
                "it cannot be used: take a model like BERT, RoBERTa or MPNet"
            )
        tied = decoder.weight is network.get_input_embeddings().weight
        setattr(network, network.base_model_prefix, _Given())
        if tied:
            # No parameter of the head: else it would be trained, saved and summed over processes twice.
            del decoder._parameters["weight"]
            decoder.__dict__["weight"] = encoder.backbone.get_input_embeddings().weight
        self.network: Any = network
        self.mask_token_id = int(encoder.tokenizer.mask_token_id)
        self.vocabulary_size = len(encoder.tokenizer)
        self.bf16, self.is_new = bf16, is_new
        # In a tuple, so that torch does not count the encoder among the head's modules.
        self._held = (encoder,)

    @classmethod
    def of(
        cls, encoder: Encoder, model: str | Path, *, head: str, revision: str | None = None, seed: int = 0,
        bf16: bool = False,
    ) -> OwnLanguageModel:  # fmt: skip
        """The head of the folder that ``encoder`` was loaded from ("start"), a "new" one, or "new-if-missing".

        Raises :class:`NoLanguageHead` where the folder's is wanted and missing, UsageError where there can be none.
        """
        if head != "new":
            opened = open_model(model, revision)
            try:
                network, _ = load_masked_language_model(opened.layout.backbone, opened.source.name)
                return cls(encoder, network, bf16=bf16)
            except NoLanguageHead:
                if head == "start":
                    raise
        return cls(encoder, new_network(encoder, seed), bf16=bf16, is_new=True)

    def forward(self, ids_NT: Tensor, attention_NT: Tensor, chosen_NT: Tensor) -> Tensor:
        """(M, vocabulary) logits of the M chosen positions, row by row."""
        with torch.autocast(ids_NT.device.type, torch.bfloat16, enabled=self.bf16):
            states_1MD = self._states(ids_NT, attention_NT, chosen_NT)[None]
            mask_1M = torch.ones(states_1MD.shape[:2], dtype=torch.long, device=states_1MD.device)
            logits_1MV: Tensor = self.network(inputs_embeds=states_1MD, attention_mask=mask_1M).logits
        return logits_1MV[0]

    def _states(self, ids_NT: Tensor, attention_NT: Tensor, chosen_NT: Tensor) -> Tensor:
        """(M, D) last layer at the chosen positions. Rows of like length are encoded together."""
        (encoder,) = self._held
        lengths = attention_NT.sum(1).tolist()
        positions_NT = torch.arange(ids_NT.numel(), device=ids_NT.device).view_as(ids_NT)
        states, positions = [], []
        for group in length_groups(lengths, NUM_GROUPS):
            rows_n, longest = torch.from_numpy(group).to(ids_NT.device), lengths[group[0]]
            chosen_nt = chosen_NT[rows_n, :longest]
            output = encoder.backbone(
                input_ids=ids_NT[rows_n, :longest], attention_mask=attention_NT[rows_n, :longest].long()
            )
            states.append(output.last_hidden_state[chosen_nt])
            positions.append(positions_NT[rows_n, :longest][chosen_nt])
        return torch.cat(states)[torch.argsort(torch.cat(positions))]

    def head_tensors(self) -> dict[str, Tensor]:
        """The head's own weights under the names of a whole model's file; what is tied is in the file once."""
        tied = set(getattr(self.network, "all_tied_weights_keys", None) or ())
        return {name: tensor for name, tensor in self.network.state_dict().items() if name not in tied}

    @property
    def prefix(self) -> str:
        """What stands before the names of the encoder's weights in a whole model's file."""
        return f"{self.network.base_model_prefix}."

    @property
    def architecture(self) -> str:
        return type(self.network).__name__


class _Given(nn.Module):
    """Stands where the encoder stood in transformers' model: the last layer is given, the head does the rest."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=inputs_embeds)


def new_network(encoder: Encoder, seed: int) -> Any:
    """transformers' whole model for the encoder's configuration, drawn anew; its body is not used."""
    architecture = language_architecture(encoder.backbone.config, encoder.name)
    with seeded(seed, "language-head"):
        network = architecture(copy.deepcopy(encoder.backbone.config))
    return network.to(encoder.device)
