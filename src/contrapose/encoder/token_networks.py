"""Networks that look at tokens: a masked language model that rewrites texts, and an encoder body that judges them.

Both are loaded with the checks of every model folder. A part of a method gets them ready made; it knows their call and
no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contrapose.encoder.backbone import load_masked_language_model
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.fingerprint import hash_of
from contrapose.encoder.frozen import FrozenNetwork
from contrapose.encoder.opening import open_model
from contrapose.errors import UsageError
from contrapose.maths.similarity import at_least_fp32


class MaskedLanguageModel(nn.Module):
    """Token ids to logits over the vocabulary, with the language-modelling head that the folder holds.

    mask_token_id    what stands for a hidden token
    vocabulary_size  of the tokenizer
    bf16             whether it computes in bf16, as the encoder that is trained
    """

    def __init__(
        self, network: nn.Module, tokenizer: Any, name: str, *, trainable: bool = False, bf16: bool = False
    ) -> None:
        super().__init__()
        if tokenizer.mask_token_id is None:
            raise UsageError(f"the tokenizer of '{name}' has no mask token: it is no masked language model's")
        self.network = network if trainable else FrozenNetwork(network)
        self.tokenizer = tokenizer
        self.name = name
        self.bf16 = bf16
        self.mask_token_id = int(tokenizer.mask_token_id)
        self.vocabulary_size = len(tokenizer)

    @classmethod
    def load(cls, model: str | Path, *, trainable: bool = False, bf16: bool = False) -> MaskedLanguageModel:
        """Raises what :meth:`Encoder.load` raises, and UsageError for a folder without a language-modelling head."""
        opened = open_model(model)
        network, tokenizer = load_masked_language_model(opened.layout.backbone, opened.source.name)
        return cls(network, tokenizer, opened.source.name, trainable=trainable, bf16=bf16)

    def forward(self, ids_NT: Tensor, attention_NT: Tensor) -> Tensor:
        """(N, T, vocabulary) logits."""
        with torch.autocast(ids_NT.device.type, torch.bfloat16, enabled=self.bf16):
            logits_NTV: Tensor = self.network(input_ids=ids_NT, attention_mask=attention_NT.long()).logits
        return logits_NTV

    def fingerprint(self) -> str:
        """sha256 over weights and tokenizer."""
        held = self.network.network if isinstance(self.network, FrozenNetwork) else self.network
        return hash_of(held.state_dict(), self.tokenizer, ["masked-language-model"])


class ConditionedEncoder(nn.Module):
    """The body of an encoder that is given a vector beside the tokens, in place of the first input embedding.

    The vector takes the place of the whole embedding of the first token, after positions, norm and dropout, so it must
    be as wide as the body. It computes in bf16 as the encoder that is trained does; what it gives is fp32.
    """

    def __init__(self, encoder: Encoder, *, bf16: bool = False) -> None:
        super().__init__()
        self.bf16 = bf16
        if not isinstance(getattr(encoder.backbone, "embeddings", None), nn.Module):
            raise UsageError(
                f"'{encoder.name}' ({encoder.backbone.config.model_type}) keeps its embeddings where they cannot be "
                "replaced: take a model like BERT, RoBERTa or MPNet"
            )
        self.body = encoder.backbone
        self.width = encoder.width

    def forward(self, ids_NT: Tensor, attention_NT: Tensor, first_ND: Tensor) -> Tensor:
        """(N, T, D): the last layer."""

        def conditioned(_module: nn.Module, _inputs: Any, embedded_NTD: Tensor) -> Tensor:
            return torch.cat([first_ND.to(embedded_NTD.dtype)[:, None], embedded_NTD[:, 1:]], dim=1)

        hook = self.body.embeddings.register_forward_hook(conditioned)
        try:
            with torch.autocast(ids_NT.device.type, torch.bfloat16, enabled=self.bf16):
                output = self.body(input_ids=ids_NT, attention_mask=attention_NT.long())
        finally:
            hook.remove()
        return at_least_fp32(output.last_hidden_state)
