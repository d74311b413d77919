"""The token ids of a batch, for terms that look at tokens: this process's rows, padded as the whole batch is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from contrapose.contract import Tokens
from contrapose.encoder.encoder import Encoder
from contrapose.train.distributed import ProcessGroup

if TYPE_CHECKING:
    from contrapose.train.step import TokenizedBatch


def tokens_of_batch(
    encoder: Encoder, tokenized: TokenizedBatch, processes: ProcessGroup
) -> dict[str, Tokens]:
    """The token ids of this process's rows, view by view, padded to the longest row of any process."""
    token_ids, names, device = tokenized.token_ids, tokenized.batch.view_names, encoder.device
    longest = processes.most(max(len(ids) for ids in token_ids), device)
    ids_NT, mask_NT = encoder.padded(token_ids)
    room = longest - ids_NT.shape[1]
    ids_NT = torch.nn.functional.pad(ids_NT, (0, room), value=encoder.tokenizer.pad_token_id or 0)
    mask_NT = torch.nn.functional.pad(mask_NT, (0, room)).bool()
    own_tokens = torch.tensor(encoder.tokenizer.all_special_ids, device=device)
    special_NT = torch.isin(ids_NT, own_tokens) | ~mask_NT
    per_view = [tensor.view(len(names), -1, longest) for tensor in (ids_NT, mask_NT, special_NT)]
    counts = processes.sum(per_view[1].sum((1, 2))).tolist()
    rows = processes.rows(len(tokenized.batch.row_ids))
    words_VBT = _words_of_batch(per_view[2], len(tokenized.batch.row_ids), processes)
    return {
        name: Tokens(
            ids_RT=per_view[0][view],
            attention_RT=per_view[1][view],
            special_RT=per_view[2][view],
            rows=rows,
            num_tokens=int(counts[view]),
            words_BT=None if words_VBT is None else words_VBT[view],
        )
        for view, name in enumerate(names)
    }


def _words_of_batch(special_VbT: Tensor, num_rows: int, processes: ProcessGroup) -> Tensor | None:
    """(V, B, T) bool: where the rows of all processes hold words; None for one process alone."""
    if processes.size == 1:
        return None
    return processes.gather_rows((~special_VbT).float(), num_rows).bool()
