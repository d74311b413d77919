"""Vectors of inner layers as further negatives (SSCL): the last layer must not repeat what the layers below it say.

    columns of row i: cos(a_i, n_j)      n: the anchors' and the positives' vectors at the layers -2, -3, ...

Layers are counted from the last. Each gives two blocks of B columns, pooled and projected as the last layer is. With
``scope="all"`` every row is compared with every row's inner vectors, its own among them: that is the point, since
neighbouring layers say nearly the same. Other rows of the same text are struck out. With ``scope="own"`` a row sees its
own inner vectors alone, two columns a layer. The gradient enters the inner layers too, unless ``detach_layers``.

Chen et al. 2023, "Alleviating Over-smoothing for Unsupervised Sentence Representation", ACL, equation 4;
https://arxiv.org/abs/2305.06154
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field

from contrapose.contract import Columns, Needs, Part, Views
from contrapose.maths.struck import Struck


class LayerNegatives(Part):
    """Inner layers' vectors of both views, as columns.

    >>> part = LayerNegatives(num_layers=1)
    >>> inner = {"anchor@-2": torch.eye(3), "positive@-2": torch.eye(3)}
    >>> views = Views.pair(torch.eye(3), torch.eye(3)).with_views(**inner)
    >>> [columns.origin for columns in part.columns(views)]
    ['layer-2_anchor', 'layer-2_positive']
    """

    name = "layer-negatives"
    idea = "What inner layers say of the texts, as further negatives (SSCL)."
    has_own_text = True

    def __init__(
        self,
        *,
        num_layers: Annotated[
            int, Field(ge=1, le=100, description="layers below the last whose vectors are negatives")
        ] = 2,
        scope: Annotated[
            Literal["all", "own"], Field(description="inner vectors of all rows, or the row's own alone")
        ] = "all",
        detach_layers: Annotated[bool, Field(description="no gradient into the inner layers")] = False,
    ) -> None:
        super().__init__()
        self.needs = Needs(layers=tuple(-2 - layer for layer in range(num_layers)))
        self.scope, self.detach_layers = scope, detach_layers

    def columns(self, views: Views) -> Iterator[Columns]:
        for layer in self.needs.layers:
            for view in ("anchor", "positive"):
                vectors_BD = views.of(view, layer)
                if self.detach_layers:
                    vectors_BD = vectors_BD.detach()
                origin, texts_B = f"layer{layer}_{view}", views.text_ids.get(view)
                if self.scope == "own":
                    texts_B1 = None if texts_B is None else texts_B[:, None]
                    yield Columns(origin=origin, vectors=vectors_BD[:, None, :], text_ids=texts_B1)
                else:
                    yield Columns(
                        origin=origin, vectors=vectors_BD, struck=_repeats(views, view), text_ids=texts_B
                    )


def _repeats(views: Views, view: str) -> Struck | None:
    """Other rows of the row's text do not count; its own vector does. None where no text is known."""
    repeats = views.repeats(view)
    if repeats is None:
        return None
    rows_B = torch.arange(views.num_rows, device=views.anchor.device)
    return repeats.but_for(rows_B, rows_B)


PART = LayerNegatives
