"""A classifier on the vectors: cross entropy with the labels of the rows, smoothed by mixed vectors (Core-tuning).

    term = weight * mean over rows r of  - sum_c y_rc log softmax(W h_r)_c

    originals        h_i, with label y_i
    hard positives   l h_p + (1 - l) h_n       p: the least similar row of the class, n: the most similar of another
    hard negatives   (1 - l) h_i + l h_q       q: another row, drawn;  l at least 0.8

h is the anchor's vector before the train-only head; l ~ Beta(a, a), drawn for each row from seed and step; labels are
mixed as their vectors are. W has no bias, is trained, and is left behind when the encoder is exported. Without
``mixed_rows`` only the originals count: plain cross entropy. ``detach_originals`` lets the encoder learn from the mixed
rows alone, as the published code does; W learns from all.

A row without another of its class, or of another class, in the batch is its own partner.

Zhang et al. 2021, "Unleashing the Power of Contrastive Self-Supervised Visual Models via Contrast-Regularized
Fine-Tuning", NeurIPS; https://arxiv.org/abs/2102.06605
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from contrapose.contract import MixupShape, Needs, Part, Supplies, Views
from contrapose.maths.mixup import beta_shares, drawn_partner, least_alike, most_alike
from contrapose.maths.similarity import cosine_table, take_rows
from contrapose.seeds import seeded

#: The share of the other row in a hard negative.
LEAST_SHARE = 0.8


def soft_cross_entropy(logits_RC: Tensor, target_RC: Tensor) -> Tensor:
    """Mean over rows of -sum_c target_c log softmax(logits)_c, a scalar.

    >>> soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]))
    tensor(0.6931)
    """
    return -(target_RC * logits_RC.log_softmax(1)).sum(1).mean()


class Classifier(Part):
    """A linear layer from vectors to classes, and the term that trains both."""

    name = "classifier"
    idea = (
        "Cross entropy of a classifier with the rows' labels, on their vectors and on mixtures (Core-tuning)."
    )
    needs_table = "it looks for the hardest pairs of all classes"

    head: nn.Linear

    def __init__(
        self,
        *,
        classifier_weight: Annotated[
            float, Field(ge=0, le=1000, description="of the cross entropy in the loss")
        ] = 1.0,
        mixed_rows: Annotated[
            bool, Field(description="mixed vectors are classified, too; off: plain cross entropy")
        ] = True,
        detach_originals: Annotated[
            bool, Field(description="the encoder learns from mixed vectors alone, as in the published code")
        ] = False,
        mixup_shape: MixupShape = 1.0,
    ) -> None:
        super().__init__()
        if detach_originals and not mixed_rows:
            raise ValueError("detach_originals without mixed_rows leaves the encoder nothing to learn from")
        self.weight, self.mixed_rows, self.detach_originals = classifier_weight, mixed_rows, detach_originals
        self.mixup_shape = mixup_shape
        self.needs = Needs(labels=True, pooled=True)

    def attach(self, supplies: Supplies) -> None:
        """Draw the weights: as many rows as there are classes."""
        assert supplies.num_classes is not None, "a part that needs labels is told how many classes there are"
        with seeded(supplies.seed, self.name):
            self.head = nn.Linear(supplies.pooled_width or supplies.width, supplies.num_classes, bias=False)

    def classify(self, vectors_ND: Tensor) -> Tensor:
        """(N,) the class of each vector, as the encoder gives it before any train-only head."""
        logits_NC: Tensor = self.head(vectors_ND.to(self.head.weight.dtype))
        return logits_NC.argmax(1)

    def terms(self, views: Views) -> Mapping[str, Tensor]:
        assert views.labels is not None
        vectors_BD = views.of("anchor", "pooled").to(self.head.weight.dtype)
        target_BC = F.one_hot(views.labels, self.head.out_features).to(vectors_BD.dtype)
        rows = [(vectors_BD.detach() if self.detach_originals else vectors_BD, target_BC)]
        if self.mixed_rows:
            rows += [
                self._hard_positives(views, vectors_BD, target_BC),
                self._hard_negatives(views, vectors_BD, target_BC),
            ]
        logits_RC = self.head(torch.cat([vectors for vectors, _target in rows]))
        told_B = logits_RC[: views.num_rows].argmax(1) == views.labels
        self.report(classifier_accuracy=told_B.float().mean())
        loss = soft_cross_entropy(logits_RC, torch.cat([target for _vectors, target in rows]))
        return {"classification": self.weight * loss}

    def _hard_positives(self, views: Views, vectors_BD: Tensor, target_BC: Tensor) -> tuple[Tensor, Tensor]:
        same_BB = views.same_class()
        assert same_BB is not None
        with torch.no_grad():
            cosine_BB = cosine_table(vectors_BD, vectors_BD)
        positive_B, _ = least_alike(
            cosine_BB, same_BB & ~torch.eye(len(same_BB), device=same_BB.device).bool()
        )
        negative_B, _ = most_alike(cosine_BB, ~same_BB)
        share_B1 = self._shares(views, vectors_BD, "hard positives")
        return mixed(vectors_BD, target_BC, share_B1, positive_B, negative_B)

    def _hard_negatives(self, views: Views, vectors_BD: Tensor, target_BC: Tensor) -> tuple[Tensor, Tensor]:
        rows_B = torch.arange(views.num_rows, device=vectors_BD.device)
        others_BB = rows_B[:, None] != rows_B[None, :]
        partner_B, _ = drawn_partner(others_BB, views.seed, self.name, views.step, "partner")
        share_B1 = self._shares(views, vectors_BD, "hard negatives", least=LEAST_SHARE)
        return mixed(vectors_BD, target_BC, share_B1, partner_B, rows_B)

    def _shares(self, views: Views, like: Tensor, what: str, least: float = 0.0) -> Tensor:
        path = (self.name, views.step, what)
        return beta_shares(self.mixup_shape, views.num_rows, views.seed, *path, least=least).to(like)[:, None]


def mixed(
    vectors_BD: Tensor, target_BC: Tensor, share_B1: Tensor, first_B: Tensor, second_B: Tensor
) -> tuple[Tensor, Tensor]:
    """share * first + (1 - share) * second, of the vectors and of the labels.

    >>> share, first, second = torch.tensor([[0.75]]), torch.tensor([0]), torch.tensor([1])
    >>> vectors, labels = mixed(torch.eye(2), torch.eye(2), share, first, second)
    >>> vectors.tolist(), labels.tolist()
    ([[0.75, 0.25]], [[0.75, 0.25]])
    """
    one, other = (
        tuple(take_rows(rows, chosen_B) for rows in (vectors_BD, target_BC))
        for chosen_B in (first_B, second_B)
    )
    return share_B1 * one[0] + (1 - share_B1) * other[0], share_B1 * one[1] + (1 - share_B1) * other[1]


PART = Classifier
