"""What a look at held-out text is made of: its rows and their probes, the weights it is of, tokens, and vectors."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.encoding import Encodings, encode_once
from contrapose.evaluate.probes import Probe, probes_of, split_in_halves
from contrapose.listening import Listener
from contrapose.selection.budget import (
    SHARES,
    TRAINING_COST,
    EvaluationCost,
    EvaluationPlan,
    budget,
    plan_evaluations,
)
from contrapose.selection.label_free import FEWEST_TEXTS
from contrapose.selection.settings import SelectionSettings

if TYPE_CHECKING:
    from contrapose.selection.criterion import Criterion

#: Held-out texts that are looked at, and their letters: a thousand lines, or some two hundred documents.
MOST_TEXTS, MOST_LETTERS = 1_000, 300_000


def texts_and_probes(columns: Mapping[str, Sequence[str]]) -> tuple[list[str], list[Probe]]:
    """The distinct texts of the rows, and the probes that they give."""
    if not num_rows(columns):
        return [], []
    texts = list(dict.fromkeys(list(columns.values())[-1]))
    return texts, [probe for probe in probes_of(columns) if probe.kind != "sentences"]


def num_rows(columns: Mapping[str, Sequence[str]]) -> int:
    return len(next(iter(columns.values()), ()))


def evaluations_of_run(
    chosen: SelectionSettings,
    criterion: Criterion | None,
    encoder: Encoder,
    first_batch: Iterable[str],
    *,
    max_length: int,
    num_steps: int,
) -> EvaluationPlan:
    """How often this run looks at held-out text, and at how much: :mod:`contrapose.selection.budget`.

    first_batch: the texts of all views of the first step, by which the cost of a step is known.
    """
    interval = chosen.evaluation_interval(num_steps)
    if criterion is None:
        return EvaluationPlan(rows=0, eval_every=interval, shares=())
    per_step = sum(len(ids) for ids in encoder.token_ids(list(first_batch), max_length))
    shares = SHARES if chosen.blend in (None, "auto") else (float(chosen.blend),)
    cost = criterion.cost(encoder)
    plan = plan_evaluations(
        cost,
        budget(num_steps, per_step, _weights(encoder)),
        num_steps=num_steps,
        eval_every=interval,
        shares=shares,
        fixed_interval=chosen.eval_every is not None or chosen.patience is not None,
        fixed_shares=chosen.blend is not None,
    )
    tokens = sum(cost.pairs[: plan.rows]) + sum(cost.whole[: plan.rows])
    return replace(plan, in_steps=tokens / (TRAINING_COST * max(1, per_step)))


def _weights(encoder: Encoder) -> int:
    """Weights that a token is multiplied with: an embedding is only looked up."""
    looked_up = (m.weight for m in encoder.backbone.modules() if isinstance(m, torch.nn.Embedding))
    total = sum(weight.numel() for weight in encoder.backbone.parameters())
    return int(total - sum(weight.numel() for weight in looked_up))


def cost_of_rows(encoder: Encoder, columns: Mapping[str, Sequence[str]]) -> EvaluationCost:
    """Tokens of a look at each row, as :func:`texts_and_probes` makes its texts; equal texts are counted each time."""
    texts = list(columns.values())
    halves = [split_in_halves(text) or ("", "") for text in texts[min(1, len(texts) - 1)]]
    sides = [*texts[:2], *zip(*halves, strict=True)] if len(texts) > 1 else [*zip(*halves, strict=True)]
    pairs = [sum(row) for row in zip(*(tokens_of(encoder, side) for side in sides), strict=True)]
    whole = [0] * len(pairs) if len(texts) == 2 else tokens_of(encoder, texts[-1])
    return EvaluationCost(pairs=pairs, whole=whole, fewest=fewest_rows(columns))


def fewest_rows(columns: Mapping[str, Sequence[str]]) -> int:
    """The fewest of the first rows that can be looked at at all, up to a doubling; all where no fewer can."""
    rows = FEWEST_TEXTS
    while rows < num_rows(columns):
        texts, probes = texts_and_probes({name: column[:rows] for name, column in columns.items()})
        if probes and len(texts) >= FEWEST_TEXTS:
            return rows
        rows *= 2
    return num_rows(columns)


def evaluated_rows(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The first rows, as many as are looked at in a few seconds.

    >>> {name: len(texts) for name, texts in evaluated_rows({"text": ["x" * 1_000] * 900}).items()}
    {'text': 300}
    """
    letters_N = np.cumsum([sum(map(len, row)) for row in zip(*columns.values(), strict=True)])
    count = min(MOST_TEXTS, max(FEWEST_TEXTS, int(np.searchsorted(letters_N, MOST_LETTERS, side="right"))))
    return {name: list(texts[:count]) for name, texts in columns.items()}


def weights_key(encoder: Encoder) -> Hashable:
    """What tells the weights of a run's encoders apart. Not a fingerprint: nobody is kept from forging it.

    The head is left out, since no look goes through it.
    """
    return tuple(
        zlib.crc32(tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8).numpy())
        for tensor in encoder.backbone.state_dict().values()
    )


def tokens_of(encoder: Encoder, texts: Iterable[str]) -> list[int]:
    """The number of tokens of each text, special ones included, cut as the encoder cuts them."""
    wanted = list(texts)
    return [len(ids) for ids in encoder.token_ids(wanted)] if wanted else []


def encoded(encoder: Encoder, texts: Sequence[str], precision: str, listener: Listener) -> Encodings:
    """Vectors of the texts; the listener is told how far it is."""
    distinct = list(dict.fromkeys(texts))
    with listener.task("evaluating on held-out text", len(distinct), "text"):
        # As a function: the table needs no fingerprint of the model, and hashing all weights takes a second.
        return encode_once(
            lambda rows: encoder.encode(
                rows, normalize=False, precision=precision, progress=listener.advance
            ),
            distinct,
        )
