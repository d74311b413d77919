"""An encoder whose network is computed by another program: the same texts in, the same kind of vectors out.

Tokens, pooling and normalisation are those of the original encoder; only the states come from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from contrapose.backends.runtimes import TOKENS_PER_BATCH, Network
from contrapose.encoder.by_length import padded
from contrapose.encoder.encode import by_budget
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.pooling import mean_of_tokens, needs_layers, pool
from contrapose.errors import UsageError
from contrapose.listening import Progress


class BackendEncoder:
    """Encodes by a graph.

    original    the encoder that the graph was made of: its tokenizer and pooling are used, its network is not
    network     token ids and mask to states
    backend, precision   what computes, and in what; the precision is fixed by the graph
    graph       what names the graph beside the original's fingerprint: a hash of its file
    """

    def __init__(
        self, original: Encoder, network: Network, *, backend: str, precision: str, graph: str = ""
    ) -> None:
        self.original, self.network = original, network
        self.backend, self.precision, self.graph = backend, precision, graph

    @property
    def width(self) -> int:
        return self.original.width

    @property
    def name(self) -> str:
        return f"{self.original.name} ({self.backend}, {self.precision})"

    @property
    def normalize(self) -> bool:
        return self.original.normalize

    def token_ids(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """As :meth:`Encoder.token_ids`."""
        return self.original.token_ids(texts, max_length)

    def fingerprint(self) -> str:
        """sha256 over the original's fingerprint and what computes it: int8 gives other vectors than fp32."""
        parts = (self.original.fingerprint(), self.backend, self.precision, self.graph)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def encode(
        self,
        texts: Sequence[str] | str,
        *,
        normalize: bool | None = None,
        precision: str | None = None,
        tokens_per_batch: int | None = None,
        progress: Progress = None,
    ) -> np.ndarray:
        """(N, D) float32, one row per text; as :meth:`contrapose.encoder.encoder.Encoder.encode`.

        precision: None, or the one that this encoder computes in.
        """
        if precision not in (None, self.precision):
            raise UsageError(f"this encoder computes in {self.precision}, and {precision} was asked for")
        if tokens_per_batch is not None and tokens_per_batch < 1:
            raise UsageError(f"tokens_per_batch must be at least 1, got {tokens_per_batch}")
        unit = self.normalize if normalize is None else normalize

        def vectors_of(token_ids: Sequence[Sequence[int]]) -> np.ndarray:
            pooled_ND = self.pooled(token_ids)
            return (torch.nn.functional.normalize(pooled_ND) if unit else pooled_ND).numpy()

        vectors = by_budget(
            [texts] if isinstance(texts, str) else texts,
            self.token_ids,
            vectors_of,
            self.width,
            tokens_per_batch or TOKENS_PER_BATCH[self.backend],
            progress,
            workers=torch.get_num_threads(),
        )
        return vectors[0] if isinstance(texts, str) else vectors

    def pooled(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """(N, D) fp32, by the one pooling of the package; the graph has taken the mean of two layers where it asks."""
        padding = self.original.tokenizer.pad_token_id
        ids, mask = padded(token_ids, 0 if padding is None else padding)
        states_NTD = torch.from_numpy(self.network(ids, mask))
        ids_NT, mask_NT = (torch.from_numpy(table).to(self.original.device) for table in (ids, mask))
        counted_NT = self.original.counted(ids_NT, mask_NT).cpu()
        if needs_layers(self.original.pooling):
            return mean_of_tokens(states_NTD, counted_NT)
        return pool(self.original.pooling, states_NTD, counted_NT)
