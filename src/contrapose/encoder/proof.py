"""Before a model is handed out: its files are those that were written, and it can encode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from contrapose.encoder.safety import allowed_root
from contrapose.encoder.tokens import reason_of
from contrapose.errors import ContraposeError, CorruptCheckpoint, CorruptFile, ModelError
from contrapose.storage.manifests import MANIFEST_NAME, is_tree, verify_members

if TYPE_CHECKING:
    from contrapose.encoder.encoder import Encoder

#: For people to write in; no vector depends on it.
FREE_TO_CHANGE = ("README.md",)

#: Of two lengths, so that one is padded; with signs that no small vocabulary knows.
TEXTS = ("a", "A cat sits \u01c2 on the mat, \u6771\u4eac.")


def verify_saved(folder: Path, *, fetched: bool = False) -> None:
    """:class:`CorruptFile` if a folder saved by contrapose is not what its manifest says. Others are passed over.

    The card may be rewritten and files may be added. Whoever changes weights, configuration or tokenizer on purpose
    deletes the manifest, and with it this check.
    """
    ours = is_tree(folder) or (
        (folder / MANIFEST_NAME).exists() and (folder / "contrapose.json").exists()  # a damaged manifest
    )
    if not ours:
        return
    try:
        verify_members(folder, leave_out=FREE_TO_CHANGE, root=allowed_root(folder) if fetched else None)
    except CorruptCheckpoint as error:
        fault = str(error).split(". Use an earlier copy")[0]
        raise CorruptFile(
            f"{fault}. The model was not loaded: take another copy of the folder, or make it again (contrapose train "
            f"... --resume). If you changed the file yourself, delete {folder / MANIFEST_NAME}: without it nothing "
            "is compared."
        ) from None


def check_encodes(encoder: Encoder) -> None:
    """:class:`ModelError` if the encoder cannot encode two short texts, whatever the reason lies in."""
    import torch

    try:
        ids = encoder.token_ids(TEXTS)
        rows = encoder.backbone.get_input_embeddings().num_embeddings
        if (largest := max(max(row, default=0) for row in ids)) >= rows:
            raise ModelError(f"its tokenizer gives the token {largest}, the model has {rows}")
        with torch.inference_mode():
            vectors = encoder.pooled(ids)
        if vectors.shape != (len(TEXTS), encoder.width):
            raise ModelError(
                f"it gives vectors of shape {tuple(vectors.shape[1:])} instead of ({encoder.width},)"
            )
    except MemoryError:
        raise
    except ContraposeError as error:
        raise ModelError(f"'{encoder.name}' was loaded but cannot encode a text: {error}") from error
    except (
        Exception
    ) as error:  # torch and transformers raise nearly everything on a configuration that is odd
        raise ModelError(
            f"'{encoder.name}' was loaded but cannot encode a text ({type(error).__name__}: {reason_of(error)}). Its "
            "config.json, tokenizer and weights do not belong together, or hold odd values."
        ) from error
