"""Words that are hidden so that a model has to say them: BERT's scheme, as a function of uniform draws.

Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", NAACL, section
3.1; https://arxiv.org/abs/1810.04805
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Of the hidden words: how many become [MASK], and how many of the rest another word (BERT's scheme).
SHARE_MASKED, SHARE_OTHER_WORD = 0.8, 0.5


def hide(ids_RT: Tensor, chosen_RT: Tensor, draws_3RT: Tensor, mask_id: int, vocabulary_size: int) -> Tensor:
    """(R, T) ids with the chosen words hidden: most become ``mask_id``, some any word, some stay.

    draws_3RT: uniform in [0, 1): for [MASK] or not, for another word or not, for which word.

    >>> hide(torch.tensor([[5, 6]]), torch.tensor([[True, False]]), torch.zeros(3, 1, 2), 4, 10)
    tensor([[4, 6]])
    """
    to_mask_RT, to_other_RT, which_RT = draws_3RT
    other_RT = (which_RT * vocabulary_size).long().clamp(max=vocabulary_size - 1)
    masked_RT = chosen_RT & (to_mask_RT < SHARE_MASKED)
    replaced_RT = chosen_RT & ~masked_RT & (to_other_RT < SHARE_OTHER_WORD)
    hidden_RT = torch.where(replaced_RT, other_RT, ids_RT)
    return hidden_RT.masked_fill(masked_RT, mask_id)
