"""What a look at held-out text is made of: its rows and their probes, the weights it is of, tokens, and vectors."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import torch

from contrapose.encoder.encoder import Encoder
from contrapose.evaluate.encoding import Encodings, encode_once
from contrapose.evaluate.probes import Probe, body_of, probes_of
from contrapose.listening import Listener
from contrapose.selection.label_free import FEWEST_TEXTS

#: Held-out texts that are looked at, and their letters: a thousand lines, or some two hundred documents.
MOST_TEXTS, MOST_LETTERS = 1_000, 300_000


def texts_and_probes(columns: Mapping[str, Sequence[str]]) -> tuple[list[str], list[Probe]]:
    """The distinct texts of the rows, and the probes that they give."""
    if not num_rows(columns):
        return [], []
    texts = list(dict.fromkeys(body_of(columns)))
    return texts, [probe for probe in probes_of(columns) if probe.kind != "sentences"]


def num_rows(columns: Mapping[str, Sequence[str]]) -> int:
    return len(next(iter(columns.values()), ()))


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
