"""Do two passes over the same text differ? Dropout views train nothing where they do not.

Several encoders ship with a dropout of 0 (ModernBERT, EuroBERT, ALBERT, Qwen3 ...). With them the two views of SimCSE
are one vector, the positive cosine is exactly 1 and the loss only spreads the rows apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from contrapose.encoder.encoder import Encoder
from contrapose.errors import UsageError
from contrapose.seeds import seeded

#: Rows per forward pass of the measurement; it fits any machine.
ROWS_PER_PASS = 32


def require_dropout(encoder: Encoder) -> None:
    """Raise :class:`UsageError`, with the remedy, if the encoder has no active dropout."""
    if encoder.dropout_probability() > 0:
        return
    raise UsageError(
        f"'{encoder.name}' has a dropout of 0, so its two dropout views of a text are the same vector and there is "
        "nothing to learn from. Remedy: --dropout 0.1 (in Python: dropout=0.1), or other views: --views crop."
    )


def view_cosine(
    encoder: Encoder, texts: Sequence[str], seed: int = 0, max_length: int | None = None
) -> float:
    """Mean cosine between two dropout views of each text, as the training will see them (before the head).

    1.0 means that dropout does nothing. The encoder's mode and the global random state are as before afterwards.
    """
    token_ids = encoder.token_ids(texts, max_length)
    if not token_ids:
        raise UsageError("the cosine between views needs at least one text")
    cosines = []
    with encoder.in_mode(training=True), torch.no_grad():
        for start in range(0, len(token_ids), ROWS_PER_PASS):
            rows = token_ids[start : start + ROWS_PER_PASS]
            views = []
            for view in (0, 1):
                with seeded(seed, "view-cosine", start, view, device=encoder.device):
                    views.append(encoder.pooled(rows))
            cosines.append(torch.cosine_similarity(views[0], views[1]))
    return float(torch.cat(cosines).mean())
