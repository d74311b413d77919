"""A class for every row, from a column of the data; and how often the trained classifier is right on held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from contrapose.contract import Needs, first_texts
from contrapose.data.corpus import Corpus
from contrapose.errors import UsageError
from contrapose.regularizers.classifier import Classifier
from contrapose.train.settings import RunSettings

if TYPE_CHECKING:
    from contrapose.train.session import Session


@dataclass(frozen=True)
class Labels:
    """The classes of a corpus. names: in alphabetical order; class_N: the number of each row's class."""

    names: tuple[str, ...]
    class_N: Tensor


def check_label_column(settings: RunSettings, needs: Needs) -> None:
    """Raise UsageError where labels are needed and not there, or there and not needed. Nothing is loaded for it."""
    column, method = settings.data.label_column, settings.method
    if needs.labels and column is None:
        raise UsageError(
            f"the method needs a label for every row: name the column that holds it, with --label-column NAME "
            f"('{method.name}' learns from labels with the part 'classifier')"
        )
    if column is not None and not needs.labels:
        raise UsageError(
            f"label_column would be ignored: nothing in '{method.name}' reads labels. Add --with classifier, or "
            "leave --label-column out"
        )


def read_labels(corpus: Corpus) -> Labels:
    """The class of every row. Raises UsageError where all rows have one label."""
    names, class_N = np.unique(corpus.labels(), return_inverse=True)
    if len(names) < 2:
        raise UsageError(
            f"every row has the label '{names[0]}': a classifier needs rows of two labels at least"
        )
    return Labels(tuple(names.tolist()), torch.from_numpy(class_N.astype(np.int64)))


def held_out_accuracy(session: Session) -> dict[str, Any]:
    """How often the classifier, on the vectors of the encoder as it is now, names the label of a held-out row; nothing
    where the method has no classifier, or no row is held out."""
    labels_N, parts = session.plan.labels_N, session.objective.parts
    if labels_N is None or Classifier.name not in parts:
        return {}
    rows = np.setdiff1d(np.arange(len(session.corpus)), session.batches.rows)
    if not len(rows):
        return {}
    classifier, right = cast("Classifier", parts[Classifier.name]), 0
    with session.listener.task("classifying held-out rows", len(rows), "row"), torch.no_grad():
        for block, texts in first_texts(session.corpus, rows):
            vectors_ND = torch.from_numpy(
                session.encoder.encode(
                    texts, normalize=False, precision=session.precision, progress=session.listener.advance
                )
            )
            told_N = classifier.classify(vectors_ND.to(session.encoder.device)).cpu()
            right += int((told_N == labels_N[torch.from_numpy(rows[block])]).sum())
    accuracy = right / len(rows)
    classes = classifier.head.out_features
    session.listener.notice(
        f"the classifier names the label of {accuracy:.1%} of {len(rows):,} held-out rows ({classes:,} labels)"
    )
    return {"held_out_accuracy": accuracy, "held_out_labelled_rows": len(rows), "labels": classes}
