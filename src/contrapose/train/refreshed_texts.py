"""What text parts learn of the corpus between steps, as buffers of the run's modules: saved and restored with them.

Before the first step a text part has what was computed from the pretrained model (``prepared_texts.py``). The buffers
begin as that, so their shapes are known before a checkpoint is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from contrapose.contract import TextPart
from contrapose.data.corpus import Corpus
from contrapose.errors import UsageError


class RefreshedTexts(nn.Module):
    """The arrays of every text part that is refreshed, under its name.

    prepared: those arrays as they are before the first step.
    """

    def __init__(
        self,
        text_parts: Sequence[TextPart],
        prepared: Mapping[str, Mapping[str, np.ndarray]],
        corpus: Corpus,
        rows_N: np.ndarray,
    ) -> None:
        super().__init__()
        self._text_parts = [part for part in text_parts if part.refresh_every is not None]
        self._corpus, self._rows_N = corpus, rows_N
        self.arrays = nn.ModuleDict()
        for part in self._text_parts:
            self.arrays[part.name] = nn.Module()
            for name, array in prepared[part.name].items():
                self.arrays[part.name].register_buffer(name, torch.from_numpy(np.array(array)))
        self.register_load_state_dict_post_hook(lambda *_: self._attach(self._text_parts))  # type: ignore[no-untyped-call]

    def refreshes_at(self, step: int) -> bool:
        """Whether a text part wants to see the corpus before the batch of this step."""
        return bool(self._due(step))

    def refresh(self, step: int, vectors_ND: np.ndarray) -> None:
        """Show the vectors of the corpus to those that are due, and keep what they make of them.

        Raises UsageError where that is of another shape or type than before, as it could not be restored.
        """
        for part in self._due(step):
            new = part.refresh(self._corpus, self._rows_N, vectors_ND)
            kept = dict(self.arrays[part.name].named_buffers())
            said = {name: (array.shape, array.dtype) for name, array in new.items()}
            if said != {name: (tuple(array.shape), array.numpy().dtype) for name, array in kept.items()}:
                raise UsageError(
                    f"refresh of the text part '{part.name}' gave arrays of other names, shapes or types than before "
                    "the first step: they must stay the same"
                )
            for name, array in new.items():
                kept[name].copy_(torch.from_numpy(np.array(array)))
        self._attach(self._due(step))

    def _due(self, step: int) -> list[TextPart]:
        """Before the first step nobody is: what the pretrained model says is prepared already."""
        return [part for part in self._text_parts if step and step % (part.refresh_every or 1) == 0]

    def _attach(self, text_parts: Sequence[TextPart]) -> None:
        for part in text_parts:
            arrays = {name: array.numpy() for name, array in self.arrays[part.name].named_buffers()}
            for array in arrays.values():
                array.flags.writeable = False
            part.attach(self._corpus, self._rows_N, arrays)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> RefreshedTexts:
        """Stays where it is: batches are made by the processor, whatever device the model is on."""
        return self
