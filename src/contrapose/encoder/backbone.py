"""The transformers model and its tokenizer, loaded from a folder that has been inspected.

Safetensors only, no remote code, no network; weights are turned to fp32. A weight that the folder does not hold
would be drawn at random and silently spoil every vector, so it is an error (all but the unused pooler of BERT).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from contrapose.errors import ModelError, UsageError
from contrapose.seeds import seeded

#: The names under which configurations of different architectures keep a dropout probability of the backbone.
DROPOUT_NAMES = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "hidden_dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "activation_dropout",
    "dropout",
    "dropout_rate",
    "embd_pdrop",
    "resid_pdrop",
    "attn_pdrop",
)

#: How many missing weights an error lists before it says "and n more".
LISTED_WEIGHTS = 5


def load_backbone(folder: Path, name: str, dropout: float | None = None) -> tuple[Any, Any]:
    """(model in eval mode, tokenizer) from an inspected folder; ``dropout`` replaces every probability.

    Raises :class:`ModelError` for what transformers cannot read and for weights that are missing.
    """
    import torch
    from transformers import AutoConfig, AutoTokenizer

    with _quiet(), seeded(0, "backbone"):
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            _set_dropout(config, dropout, name)
            architecture = _architecture(config)
            extra = {"add_pooling_layer": False} if _has_pooling_switch(architecture) else {}
            backbone, report = architecture.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="eager" if not architecture._supports_sdpa else "sdpa",
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # refused below, in words
                **extra,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (UsageError, ModelError):
            raise
        # transformers and its Rust parts raise nearly everything, plain Exception included, on a damaged folder.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"cannot load '{name}' from {folder}: {reason[:400]}") from error
    _refuse_other_weights(report, name)
    _check_vocabulary(backbone, tokenizer, name)
    return backbone.eval(), tokenizer


def _architecture(config: Any) -> Any:
    """The model class for this configuration: the encoder half where the model has two halves."""
    from transformers import AutoModel, AutoModelForTextEncoding

    auto = AutoModelForTextEncoding if type(config) in AutoModelForTextEncoding._model_mapping else AutoModel
    two_halves = auto is AutoModel and getattr(config, "is_encoder_decoder", False)
    if two_halves or type(config) not in auto._model_mapping:
        raise ModelError(f"transformers has no text encoder for models of type '{config.model_type}'")
    found = auto._model_mapping[type(config)]
    return found[0] if isinstance(found, (tuple, list)) else found


def _has_pooling_switch(architecture: Any) -> bool:
    import inspect

    return "add_pooling_layer" in inspect.signature(architecture.__init__).parameters


def _refuse_other_weights(report: Any, name: str) -> None:
    """Every weight of the encoder must have been in the file, in the shape that config.json asks for."""
    resized = sorted(
        str(entry[0] if isinstance(entry, tuple) else entry) for entry in report["mismatched_keys"]
    )
    if resized:
        raise ModelError(
            f"the weights of '{name}' do not belong to its config.json: "
            f"{_some(resized)} have another shape than it says"
        )
    missing = sorted(key for key in report["missing_keys"] if "pooler" not in key.split("."))
    if not missing:
        return
    raise ModelError(
        f"the weights of '{name}' lack {_some(missing)}. They would be drawn at random and every vector would be "
        "noise. The folder's weights do not belong to its config.json, or the file is incomplete."
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LISTED_WEIGHTS} more" if len(names) > LISTED_WEIGHTS else ""
    return ", ".join(names[:LISTED_WEIGHTS]) + more


def _check_vocabulary(backbone: Any, tokenizer: Any, name: str) -> None:
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of '{name}' knows {len(tokenizer)} tokens, the model only {rows}: "
            "they do not belong together"
        )


def _set_dropout(config: Any, dropout: float | None, name: str) -> None:
    if dropout is None:
        return
    if not 0.0 <= dropout < 1.0:
        raise UsageError(f"dropout must be at least 0 and below 1, got {dropout}")
    known = [key for key in DROPOUT_NAMES if isinstance(getattr(config, key, None), (int, float))]
    if not known:
        raise UsageError(f"'{name}' ({config.model_type}) has no dropout that could be set")
    for key in known:
        setattr(config, key, dropout)


def dropout_probability(module: nn.Module) -> float:
    """The largest dropout probability in a model: of its dropout layers, and of attention that applies its own."""
    largest = 0.0
    for part in module.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            largest = max(largest, float(part.p))
        for key in ("attention_dropout", "dropout", "dropout_prob"):
            value = getattr(part, key, None)
            if isinstance(value, float):
                largest = max(largest, value)
    return largest


def position_limit(backbone: Any) -> int | None:
    """How many tokens the model has positions for, or None where there is no limit.

    RoBERTa and its kin start counting after the padding index, so their table is longer than the texts it serves.
    """
    for name, part in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            offset = 0 if part.padding_idx is None else part.padding_idx + 1
            return part.num_embeddings - offset
    limit = getattr(backbone.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and no loading report from transformers inside the block: what matters is raised as an error."""
    from transformers.utils import logging as reporting

    root = logging.getLogger("transformers")
    level = root.level
    hook = reporting.set_tqdm_hook(
        lambda factory, args, options: factory(*args, **{**options, "disable": True})
    )
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
        reporting.set_tqdm_hook(hook)
