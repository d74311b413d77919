"""Small networks and tokens that stand for what training supplies, so that the rules reach parts that need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from contrapose.contract import Companion, Needs, Network, Supplies, Tokens, Views, key_of
from contrapose.seeds import seeded, torch_generator

VOCABULARY, MASK, SPECIAL, PADDING = 20, 3, 2, 0
LENGTH = 7
CLASSES = 3


class ToyLanguageModel(nn.Module):
    """Token ids to logits over the vocabulary, which depend on the token and its left neighbour."""

    mask_token_id = MASK
    vocabulary_size = VOCABULARY

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, VOCABULARY)

    def forward(self, ids_RT: Tensor, attention_RT: Tensor) -> Tensor:
        logits_RTV: Tensor = self.table(ids_RT) + self.table(ids_RT.roll(1, dims=1))
        return logits_RTV


class ToyOwnLanguageModel(ToyLanguageModel):
    """As the encoder that is trained is asked: logits at chosen positions only."""

    def forward(self, ids_RT: Tensor, attention_RT: Tensor, chosen_RT: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(ids_RT, attention_RT)[chosen_RT]


class ToyDiscriminator(nn.Module):
    """Token ids and a first vector to states (R, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(VOCABULARY, width)

    def forward(self, ids_RT: Tensor, attention_RT: Tensor, first_RD: Tensor) -> Tensor:
        states_RTD = self.words(ids_RT)
        first_R1D = first_RD.to(states_RTD.dtype)[:, None]
        mixed_RTD: Tensor = torch.tanh(torch.cat([first_R1D, states_RTD[:, 1:] + first_R1D], dim=1))
        return mixed_RTD


def supplies(needs: Needs, width: int) -> Supplies:
    """What a part's ``attach`` is given: every network that it needs, as a toy."""
    with seeded(0, "toys"):
        networks = {network.name: _toy(network, width) for network in needs.networks}
    widths = {companion.name: _width_of(companion, width) for companion in needs.companions}
    return Supplies(
        width=width,
        pooled_width=width,
        companion_widths=widths,
        networks=networks,
        num_rows=100,
        num_classes=CLASSES,
    )


def _width_of(companion: Companion, width: int) -> int:
    """One number wider than the trained vectors, unless the two are compared."""
    return width if companion.same_width else width + 1


def _toy(network: Network, width: int) -> nn.Module:
    if network.kind == "discriminator":
        toy: nn.Module = ToyDiscriminator(width)
    else:
        toy = ToyOwnLanguageModel() if network.kind == "own-language-model" else ToyLanguageModel()
    return toy.requires_grad_(network.trainable)


def beside(views: Views, needs: Needs) -> Views:
    """The views with further texts, inner layers, vectors before the head and companions' vectors, as far as they are
    needed.

    An inner layer is near the vector it belongs to; a companion finds other texts alike, and is one number
    wider unless its vectors are compared with the trained ones.
    """
    further: dict[str, Tensor] = {}
    for view in needs.texts:
        random = torch_generator(1, "beside", view)
        noise_BD = torch.randn(views.anchor.shape, generator=random, dtype=torch.float64)
        further[view] = (views.positive.double() + 0.5 * noise_BD).to(views.positive.dtype)
    for view in ("anchor", "positive"):
        vectors_BD = views.by_name[view]
        sources: list[str | int] = [*needs.layers, *(["pooled"] if needs.pooled else [])]
        for source in sources:
            random = torch_generator(1, "beside", view, source)
            noise_BD = torch.randn(vectors_BD.shape, generator=random, dtype=torch.float64)
            further[key_of(view, source)] = (vectors_BD.double() + 0.3 * noise_BD).to(vectors_BD.dtype)
    rows, width = views.anchor.shape
    for companion in needs.companions:
        # Of its name alone, so that what one companion finds alike does not depend on who else is there.
        random = torch_generator(1, "beside", companion.name)
        vectors_BE = torch.randn(rows, _width_of(companion, width), generator=random, dtype=torch.float64).to(
            views.anchor.dtype
        )
        further |= {key_of(view, companion.name): vectors_BE for view in companion.reads}
    if needs.labels:
        views = replace(views, labels=torch.arange(rows, device=views.anchor.device) % CLASSES)
    if needs.targets:
        views = replace(views, targets={name: _target(name, views, further) for name in needs.targets})
    return views.with_views(**further)


def _target(name: str, views: Views, further: Mapping[str, Tensor]) -> Tensor:
    """A number for every row and every text of the batch that a row may be compared with, positives and negatives; the
    own positive's is large."""
    blocks = 1 + sum(view.startswith("negative_") for view in {**views.by_name, **further})
    random = torch_generator(1, "target", name)
    rows = views.num_rows
    drawn = torch.randn(rows, rows * blocks, generator=random, dtype=torch.float64)
    drawn[:, :rows].diagonal().add_(3.0)
    return drawn.to(views.anchor.dtype)


def tokens(rows: int, seed: int) -> dict[str, Tokens]:
    """Both views' tokens: the same words, as under dropout; rows of several lengths."""
    random = torch.Generator().manual_seed(seed)
    ids_RT = torch.randint(SPECIAL + 2, VOCABULARY, (rows, LENGTH), generator=random)
    lengths_R = torch.randint(3, LENGTH + 1, (rows, 1), generator=random)
    attention_RT = torch.arange(LENGTH)[None, :] < lengths_R
    ids_RT = ids_RT.masked_fill(~attention_RT, PADDING)
    ids_RT[:, 0] = SPECIAL
    one = Tokens(
        ids_RT=ids_RT,
        attention_RT=attention_RT,
        special_RT=~attention_RT | (ids_RT == SPECIAL),
        rows=slice(0, rows),
        num_tokens=int(attention_RT.sum()),
    )
    return {"anchor": one, "positive": one}
