"""Do the weights in a folder belong to its config.json? All of them, none left over, and no more than the file holds.

A weight that the folder lacks would be drawn at random and silently spoil every vector. One that is left over means
that the configuration asks for a smaller model than was trained: fewer layers give other vectors, without a word.
Heads for other tasks (language modelling, classification) are left over in any checkpoint and are no part of an
encoder.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from contrapose.encoder.headers import count_numbers
from contrapose.errors import ModelError

#: How many weights an error lists before it says "and n more".
LISTED_WEIGHTS = 5

#: Tables that old checkpoints hold and that are computed now: positions counted up, masks, frequencies of rotation.
_COMPUTED = re.compile(r"(^|\.)(position_ids|token_type_ids|masked_bias|attn\.bias|inv_freq)$")

#: A model may have numbers that are in no file (tied weights are counted once, an unused pooler is not needed).
_ROOM = 10_000_000


def outline(architecture: Any, config: Any) -> Any:
    """The model of ``config`` with shapes and no numbers, its pooling layer included where it has one."""
    import torch

    with torch.device("meta"):
        return architecture(copy.deepcopy(config))


def refuse_larger_model(expected: Any, folder: Path, name: str) -> None:
    """Before memory is taken for it: config.json may not describe a model far larger than its weights."""
    asked = sum({id(weight): weight.numel() for weight in expected.parameters()}.values())
    stored = sum(count_numbers(path) for path in folder.glob("*.safetensors"))
    if asked > 2 * stored + _ROOM:
        raise ModelError(
            f"config.json of '{name}' describes a model of {asked:,} numbers, and its weights hold {stored:,}: "
            "they do not belong together"
        )


def refuse_other_weights(report: Any, backbone: Any, name: str) -> None:
    """:class:`ModelError` for weights of another shape, for missing ones and for those left over."""
    resized = sorted(
        str(entry[0] if isinstance(entry, tuple) else entry) for entry in report["mismatched_keys"]
    )
    if resized:
        raise ModelError(
            f"the weights of '{name}' do not belong to its config.json: "
            f"{_some(resized)} have another shape than it says"
        )
    missing = sorted(key for key in report["missing_keys"] if not _of_pooler(key))
    if missing:
        raise ModelError(
            f"the weights of '{name}' lack {_some(missing)}. They would be drawn at random and every vector would be "
            "noise. The folder's weights do not belong to its config.json, or the file is incomplete."
        )
    own = {part for part, _ in backbone.named_children()}
    left_over = sorted(
        key
        for key in (_without_prefix(str(key), backbone) for key in report["unexpected_keys"])
        if key.split(".")[0] in own and not _of_pooler(key) and not _COMPUTED.search(key)
    )
    if left_over:
        raise ModelError(
            f"the weights of '{name}' hold {_some(left_over)}, for which its config.json has no place: it describes "
            "a smaller model than was trained (fewer layers, perhaps), which would give other vectors. Take both "
            "files from where the model comes from."
        )


def read_pooler(expected: Any, folder: Path) -> dict[str, Tensor]:
    """The weights of the pooling layer that transformers' own class has and contrapose never uses, or nothing.

    They are kept so that the saved folder holds what the pretrained model had, and other programs miss nothing in it.
    """
    import torch
    from safetensors import safe_open

    shapes = {key: weight.shape for key, weight in expected.state_dict().items() if _of_pooler(key)}
    pooler: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")) if shapes else ():
        with safe_open(path, "pt") as file:
            for stored in file.keys():  # noqa: SIM118 (it is no dictionary)
                key = _without_prefix(stored, expected)
                if key in shapes and tuple(file.get_slice(stored).get_shape()) == tuple(shapes[key]):
                    pooler[key] = file.get_tensor(stored).to(torch.float32)
    return pooler if len(pooler) == len(shapes) else {}


def _of_pooler(key: str) -> bool:
    return "pooler" in key.split(".")


def _without_prefix(key: str, backbone: Any) -> str:
    """A whole language model keeps its encoder under a name: "bert.encoder..." """
    prefix = getattr(backbone, "base_model_prefix", "")
    own = {part for part, _ in backbone.named_children()}
    if prefix and prefix not in own and key.startswith(f"{prefix}."):
        return key[len(prefix) + 1 :]
    return key


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED_WEIGHTS} more" if len(names) > LISTED_WEIGHTS else ""
    return ", ".join(names[:LISTED_WEIGHTS]) + more
