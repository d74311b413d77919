"""The encoder: texts in, pooled vectors out; one path for training, evaluation, bulk encoding and export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.encoder import unpadded
from contrapose.encoder.by_length import padded
from contrapose.encoder.dropout import dropout_probability
from contrapose.encoder.encode import encode
from contrapose.encoder.export import LanguageHead, save
from contrapose.encoder.fingerprint import hash_of
from contrapose.encoder.lengths import check_length
from contrapose.encoder.parts import read_parts
from contrapose.encoder.pooling import check_pooling, needs_layers, pool, pool_layer
from contrapose.encoder.proof import check_encodes
from contrapose.encoder.templates import TemplateTokens
from contrapose.encoder.tokenizer_rules import NOTABLE_GROWTH, normalizer_growth
from contrapose.encoder.tokens import CHARACTERS_PER_TOKEN, clean, cut_to_growth, tokenize
from contrapose.errors import UsageError
from contrapose.listening import Progress


class Encoder(nn.Module):
    """A transformers encoder, its tokenizer and its pooling.

    Made by :meth:`load`. The mode (``train()``, ``eval()``) is the caller's affair; :meth:`encode` neither reads nor
    changes it.

    width       D of the vectors
    max_length  tokens kept when encoding; training may cut shorter
    pooling     one of ``contrapose.encoder.pooling.POOLINGS``
    head        a train-only module (D -> D) or None; never applied by :meth:`pooled`, never saved
    normalize   the folder asks for unit vectors
    kind        "sentence" (the folder names a pooling) or "masked-lm"
    templates   what is written around texts in training: the first around anchors, the last around all other views;
                the tokenizer writes the first, also once training is over. Empty where the model brings its own or none
    word_weights   (V,) how much each token counts in the mean over tokens, or None: encoder/word_weights.py
    pooler      weights of the pretrained model's own pooling layer: never used, saved again for other programs
    """

    word_weights: Tensor | None

    def __init__(
        self,
        backbone: Any,
        tokenizer: Any,
        *,
        pooling: str,
        max_length: int,
        head: nn.Module | None = None,
        normalize: bool = False,
        name: str = "encoder",
        kind: str = "sentence",
        lower_case: bool = False,
        prompt: str = "",
        pooler: Mapping[str, Tensor] | None = None,
        templates: Sequence[TemplateTokens] = (),
        word_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        if head is not None and pooling == "cls_before_pooler":
            raise UsageError(
                "pooling 'cls_before_pooler' means that no head is used; take pooling 'cls' or head 'none'"
            )
        self.backbone: Any = backbone
        self.head = head
        self.tokenizer = tokenizer
        self.pooling = check_pooling(pooling)
        self.max_length = max_length
        self.normalize = normalize
        self.name = name
        self.kind = kind
        self.lower_case = lower_case
        self.prompt = prompt
        self.pooler = dict(pooler or {})
        self.templates = tuple(templates)
        # Given by the folder and never trained, so no part of a checkpoint.
        self.register_buffer("word_weights", word_weights, persistent=False)
        self._growth = normalizer_growth(tokenizer)

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        pooling: str | None = None,
        head: str | None = None,
        dropout: float | None = None,
        max_length: int | None = None,
        revision: str | None = None,
        head_seed: int = 0,
        templates: Sequence[str] = (),
    ) -> Encoder:
        """The encoder of a folder, of a hub name ``org/name``, or the embedded ``minilm``.

        A sentence encoder (its folder names a pooling) keeps its own pooling and gets no head. A masked language model
        gets pooling ``cls`` and the head ``linear-tanh``, as unsupervised SimCSE; ``pooling`` and ``head`` override.
        ``dropout`` replaces every dropout probability of the backbone. ``templates`` are written around the texts, see
        encoder/templates.py, and the vector is then the state at their mask token.

        Raises :class:`MissingExtra`, :class:`UsageError` (an unknown name or option), :class:`UnsafeModel` (code,
        pickle, paths that lead out), :class:`CorruptFile` (damaged weights), :class:`ModelError` (anything else).
        """
        encoder = cls(
            **read_parts(
                model,
                pooling=pooling,
                head=head,
                dropout=dropout,
                max_length=max_length,
                revision=revision,
                head_seed=head_seed,
                templates=templates,
            )
        ).eval()
        check_encodes(encoder)
        return encoder

    @property
    def width(self) -> int:
        return int(self.backbone.config.hidden_size)

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.backbone.parameters()).device
        return device

    def token_ids(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """The ids of each text, special tokens included, cut at ``max_length`` (the encoder's own by default).

        Texts are cut to 64 characters per token before the tokenizer sees them, so hostile text is only slow.
        """
        limit = self.max_length if max_length is None else max_length
        check_length(limit, self.backbone, self.tokenizer, self.name)
        most = limit * CHARACTERS_PER_TOKEN
        ready = clean(texts, most, prompt=self.prompt, lower_case=self.lower_case)
        if self._growth > NOTABLE_GROWTH:
            ready = [cut_to_growth(self.tokenizer.backend_tokenizer.normalizer, text, most) for text in ready]
        return tokenize(self.tokenizer, ready, limit)

    def length_for(self, max_length: int) -> int:
        """The cut at which ``max_length`` tokens of a text are kept: a template comes on top, where there is one."""
        if self.pooling != "mask":
            return max_length
        return min(max_length + int(self.tokenizer.num_special_tokens_to_add()), self.max_length)

    def pooled(self, token_ids: Sequence[Sequence[int]], hidden: Sequence[slice] = ()) -> Tensor:
        """(N, D) fp32: the pooled vector of each row of ids, in the current mode, without head or normalisation.

        hidden: of each row, the tokens that no other token may see; none is hidden where it is empty.

        The one pooling path of the package. Gradients flow; under ``torch.autocast`` the backbone runs in the lower
        precision and the pooling in fp32.
        """
        if not token_ids:
            return torch.zeros(0, self.width, device=self.device)
        layers = needs_layers(self.pooling)
        output, counted_NT = self._output(token_ids, hidden, layers)
        return pool(
            self.pooling, output.last_hidden_state, counted_NT, output.hidden_states if layers else None
        )

    def pooled_with_layers(
        self, token_ids: Sequence[Sequence[int]], layers: Sequence[int], hidden: Sequence[slice] = ()
    ) -> Tensor:
        """(N, 1 + L, D) fp32: what :meth:`pooled` gives, then the same pooling of inner layers.

        layers: counted from the last: -2 is the layer below it, -1 - (number of layers) the embeddings.
        """
        output, counted_NT = self._output(token_ids, hidden, True)
        states = output.hidden_states
        last_ND = pool(self.pooling, output.last_hidden_state, counted_NT, states)
        inner = [pool_layer(self.pooling, states[layer], counted_NT) for layer in layers]
        return torch.stack([last_ND, *inner], dim=1)

    def _output(
        self, token_ids: Sequence[Sequence[int]], hidden: Sequence[slice], layers: bool
    ) -> tuple[Any, Tensor]:
        """What the backbone says of padded texts, and the tokens that pooling looks at."""
        ids_NT, mask_NT = self.padded(token_ids, hidden)
        if self.attention == unpadded.NAME and not hidden and unpadded.fits(self.device, token_ids):
            output = unpadded.output_of(self.backbone, token_ids, self.device, layers=layers)
        else:
            output = self.backbone(input_ids=ids_NT, attention_mask=mask_NT, output_hidden_states=layers)
        return output, self.counted(ids_NT, mask_NT)

    def counted(self, ids_NT: Tensor, mask_NT: Tensor) -> Tensor:
        """(N, T): the tokens that pooling looks at, with their weights where words are weighed."""
        if self.word_weights is not None and self.pooling == "avg":
            return self.word_weights[ids_NT] * mask_NT
        return ids_NT == self.tokenizer.mask_token_id if self.pooling == "mask" else mask_NT

    def padded(
        self, token_ids: Sequence[Sequence[int]], hidden: Sequence[slice] = ()
    ) -> tuple[Tensor, Tensor]:
        """(N, T) token ids and (N, T) mask, 1 at tokens, 0 at padding on the right and at tokens that are hidden."""
        padding = self.tokenizer.pad_token_id
        ids, mask = padded(token_ids, 0 if padding is None else padding)
        for row, span in enumerate(hidden):
            mask[row, span] = 0
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    def encode(
        self,
        texts: Sequence[str] | str,
        *,
        normalize: bool | None = None,
        precision: str = "fp32",
        tokens_per_batch: int | None = None,
        progress: Progress = None,
        use_head: bool = False,
    ) -> np.ndarray:
        """(N, D) float32, one row per text in the order given; every distinct text is encoded once. One text: (D,).

        A function of the weights alone: the same from any number of threads, whatever mode the encoder is in.

        normalize         unit vectors: True, False, or None for what the model's folder says
        precision         "fp32", or "bf16" (faster where the processor has it; cosines move by about 1e-3)
        tokens_per_batch  rows times longest row of one forward pass, of which a CPU has one for each thread; a memory
                          bound that changes no result. None: at most 1024 on a CPU, 32768 on an accelerator
        progress          a function called with the number of texts just finished, or a Listener
        use_head          put the train-time head on top, to look at what the loss sees
        """
        vectors = encode(
            self,
            [texts] if isinstance(texts, str) else texts,
            normalize=self.normalize if normalize is None else normalize,
            precision=precision,
            tokens_per_batch=tokens_per_batch,
            progress=progress,
            use_head=use_head,
        )
        return vectors[0] if isinstance(texts, str) else vectors

    @contextmanager
    def in_mode(self, *, training: bool) -> Iterator[None]:
        """Train or evaluation mode inside the block; afterwards every module is in the mode it was in."""
        before = [(module, module.training) for module in self.modules()]
        self.train(training)
        try:
            yield
        finally:
            for module, mode in before:
                module.training = mode

    @property
    def attention(self) -> str:
        """The attention in use: "sdpa", "eager" or "unpadded"."""
        return str(self.backbone.config._attn_implementation)

    def use_attention(self, name: str) -> None:
        """Switch between "sdpa" (fused), "eager" and "unpadded" (for a GPU: encoder/unpadded.py).

        With dropout on the CPU eager trains about 1.3 times as fast. An architecture without a fused attention stays
        eager, one that cannot do without padding gets "sdpa".
        """
        if name not in ("eager", "sdpa", unpadded.NAME):
            raise UsageError(f"unknown attention '{name}'. Known: eager, sdpa, {unpadded.NAME}")
        if name == unpadded.NAME:
            name = unpadded.register(self.backbone) or "sdpa"
        if name != self.attention and (name == "eager" or self.backbone._supports_sdpa):
            self.backbone.set_attn_implementation(name)

    def dropout_probability(self) -> float:
        """The largest dropout probability in the backbone; 0 means that two passes in training mode are equal."""
        return dropout_probability(self.backbone)

    def fingerprint(self) -> str:
        """sha256 over all that shapes a vector: weights, pooling, word weights, normalisation, lengths, tokenizer."""
        shaping = [self.pooling, self.normalize, self.max_length, self.lower_case, self.prompt]
        weighed = {} if self.word_weights is None else {"word_weights": self.word_weights}
        return hash_of({**self.backbone.state_dict(), **weighed}, self.tokenizer, shaping)

    def save(
        self,
        folder: str | Path,
        card: str = "",
        provenance: dict[str, Any] | None = None,
        language_head: LanguageHead | None = None,
        *,
        beside: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write the model as a sentence-transformers folder (legacy schema, safetensors), whole or not at all.

        ``card`` is the text of its README.md; a short one is written where it is empty. ``provenance`` (method, data,
        numbers) goes into contrapose.json. The train-only head is left out. With a
        ``language_head`` the weights are those of the whole masked language model, and the folder stays of its kind.
        ``beside``: further files, by name.
        """
        save(self, Path(folder), card, provenance or {}, language_head, beside or {})
