"""A mask as a file: safetensors, a bool for every weight of every matrix that it is about, False where it is zero.

Names are those of the encoder: ``backbone.encoder.layer.0.output.dense.weight``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from contrapose.errors import UsageError
from contrapose.paths import expanded

#: The file in the folder that ``contrapose sparsify`` writes.
MASK_NAME = "mask.safetensors"


def mask_path(given: str) -> Path:
    """The file that is meant: itself, or that of a folder. Raises ValueError where there is none."""
    path = expanded(given)
    file = path / MASK_NAME if path.is_dir() else path
    if not file.is_file():
        raise ValueError(
            f"mask_file={given}: there is no file {file}; contrapose sparsify writes a {MASK_NAME}"
        )
    return file


def read_mask(given: str, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Weight name -> bool. ``shapes``: of the matrices that may be masked; a file may be about some of them.

    Raises UsageError for a file that cannot be read, or is of another model.
    """
    from safetensors.torch import load

    file = mask_path(given)
    try:
        masks = load(file.read_bytes())
    except Exception as error:  # safetensors has errors of its own for a damaged file
        raise UsageError(
            f"the mask in {file} cannot be read ({type(error).__name__}: {error}): give a folder that "
            "`contrapose sparsify` wrote"
        ) from None
    if not masks:
        raise UsageError(f"the mask in {file} is empty: give a folder that `contrapose sparsify` wrote")
    for name, mask in masks.items():
        if name not in shapes:
            raise UsageError(
                f"the mask in {file} is of another model: this one has no matrix '{name}' that can be masked. Train "
                "the model that the mask was made for"
            )
        if mask.dtype != torch.bool or mask.shape != shapes[name]:
            raise UsageError(
                f"the mask in {file} is of another model: '{name}' is {mask.dtype} of shape {tuple(mask.shape)}, and "
                f"a bool of shape {tuple(shapes[name])} is needed"
            )
    return masks
