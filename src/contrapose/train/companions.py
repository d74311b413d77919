"""Companions: encoders beside the trained one, which read the same texts and get no gradient; or vectors from a file.

    frozen      the model that the run began with, or another model: loaded again when a run goes on, in no checkpoint
    changing    a snapshot ("self"), or one that follows the trained weights after every accepted step:
                own <- momentum * own + (1 - momentum) * trained
    file        one vector per row of the corpus, computed once by whatever program

A companion has a tokenizer, a pooling and a width of its own. Its vectors are those before any train-only head, unless
it asks for the trained one (``through_head``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contrapose.contract import Companion, key_of
from contrapose.encoder.by_length import length_groups
from contrapose.encoder.encode import distinct_texts
from contrapose.encoder.encoder import Encoder
from contrapose.encoder.frozen import FrozenNetwork
from contrapose.encoder.stillness import at_rest
from contrapose.seeds import seeded
from contrapose.train.batches import Batch
from contrapose.train.distributed import ProcessGroup

#: Texts per forward pass: no gradient is kept, so this bounds the memory and changes no result.
TEXTS_PER_PASS = 64


@dataclass(frozen=True)
class CompanionTexts:
    """Token ids of the distinct texts of this process's rows, and for each view the text that each row has."""

    token_ids: list[list[int]]
    text_of_row: Mapping[str, np.ndarray]


def changes(companion: Companion) -> bool:
    """Whether its weights depend on the steps of the run, so that a checkpoint must hold them."""
    return companion.momentum is not None or companion.source == "self"


class Companions(nn.Module):
    """All companions of a run; ``state_dict`` holds those that change."""

    def __init__(
        self,
        needed: Sequence[Companion],
        encoders: Mapping[str, Encoder],
        files: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self._needed = {companion.name: companion for companion in needed}
        self._files = dict(files or {})
        self.changing = nn.ModuleDict()
        self.frozen = nn.ModuleDict()
        for name, encoder in encoders.items():
            encoder.requires_grad_(False)
            encoder.train(self._needed[name].dropout)
            if changes(self._needed[name]):
                self.changing[name] = encoder
            else:
                frozen = FrozenNetwork(encoder)
                encoder.train(self._needed[name].dropout)
                self.frozen[name] = frozen

    @property
    def widths(self) -> dict[str, int]:
        widths = {name: self._encoder(name).width for name in (*self.changing, *self.frozen)}
        return widths | {name: vectors_ND.shape[1] for name, vectors_ND in self._files.items()}

    def fingerprints(self) -> dict[str, str]:
        """Of those that a continuation loads again: it must find them as they were."""
        return {name: self._encoder(name).fingerprint() for name in self.frozen}

    def _encoder(self, name: str) -> Encoder:
        held = self.changing[name] if name in self.changing else self.frozen[name].network
        assert isinstance(held, Encoder)
        return held

    def tokenize(self, batch: Batch, own: slice, max_length: int) -> dict[str, CompanionTexts]:
        """Each companion's token ids of this process's rows; a pure function, done ahead of time."""
        ready = {}
        for name in (*self.changing, *self.frozen):
            encoder = self._encoder(name)
            reads = [view for view in self._needed[name].reads if view in batch.texts]
            texts = [text for view in reads for text in batch.texts[view][own]]
            # With dropout, two passes over one text differ, so each is read.
            distinct, rows = (
                (texts, np.arange(len(texts))) if self._needed[name].dropout else distinct_texts(texts)
            )
            token_ids = encoder.token_ids(distinct, min(encoder.length_for(max_length), encoder.max_length))
            ready[name] = CompanionTexts(
                token_ids, dict(zip(reads, np.array_split(rows, max(1, len(reads))), strict=False))
            )
        return ready

    @torch.no_grad()
    def views(
        self,
        batch: Batch,
        texts: Mapping[str, CompanionTexts],
        seed: int,
        processes: ProcessGroup,
        *,
        head: nn.Module | None = None,
        bf16: bool = False,
    ) -> dict[str, Tensor]:
        """The companions' views of the whole batch: ``anchor@teacher`` and so on, (B, D of that companion).

        bf16: they read in the precision of the run, and pool in fp32, as the trained encoder does.
        head: the trained one, for companions whose vectors pass through it; it is neither trained nor changed here.
        """
        views: dict[str, Tensor] = {}
        for name, given in texts.items():
            with torch.autocast(self._encoder(name).device.type, torch.bfloat16, enabled=bf16):
                vectors_ND = self._read(
                    name, given.token_ids, (seed, "companion", name, batch.step, processes.rank)
                )
            own_VbD = torch.stack(
                [
                    vectors_ND[torch.from_numpy(rows).to(vectors_ND.device)]
                    for rows in given.text_of_row.values()
                ]
            )
            whole_VBD = processes.gather_rows(own_VbD, len(batch.row_ids))
            if head is not None and self._needed[name].through_head:
                whole_VBD = at_rest(head)(whole_VBD.flatten(0, 1)).view_as(whole_VBD)
            views |= {key_of(view, name): whole_VBD[number] for number, view in enumerate(given.text_of_row)}
        for name, stored_ND in self._files.items():
            vectors_BD = stored_ND[batch.row_ids].float()
            views |= {
                key_of(view, name): vectors_BD for view in self._needed[name].reads if view in batch.texts
            }
        return views

    def _read(self, name: str, token_ids: list[list[int]], path: tuple[int | str, ...]) -> Tensor:
        encoder = self._encoder(name)
        vectors_ND = torch.empty(len(token_ids), encoder.width, device=encoder.device)
        seed, *rest = path
        for number, rows in enumerate(length_groups([len(ids) for ids in token_ids], 1, TEXTS_PER_PASS)):
            with seeded(int(seed), *rest, number, device=encoder.device):
                pooled = encoder.pooled([token_ids[row] for row in rows])
            vectors_ND[torch.from_numpy(rows).to(encoder.device)] = pooled
        return vectors_ND

    @torch.no_grad()
    def renew(self, trained: Encoder) -> None:
        """Copies ("self", without a momentum) take the trained weights as they are."""
        for name in self.changing:
            if self._needed[name].momentum is None:
                self._encoder(name).backbone.load_state_dict(trained.backbone.state_dict())

    @torch.no_grad()
    def follow(self, trained: Encoder) -> None:
        """After an accepted step: those with a momentum move towards the trained weights."""
        for name in self.changing:
            momentum = self._needed[name].momentum
            if momentum is None:
                continue
            for own, new in zip(
                self._encoder(name).backbone.parameters(), trained.backbone.parameters(), strict=True
            ):
                own.lerp_(new, 1 - momentum)
