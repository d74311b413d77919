"""The transformers model and its tokenizer, loaded from a folder that has been inspected.

Safetensors only, no remote code, no network; weights are turned to fp32, and must be those that config.json asks for
(all but the pooling layer of BERT and its kin, which contrapose never uses).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from contrapose.encoder.dropout import set_dropout
from contrapose.encoder.tokens import is_panic, reason_of
from contrapose.encoder.weights import outline, read_pooler, refuse_larger_model, refuse_other_weights
from contrapose.errors import ContraposeError, ModelError, UsageError
from contrapose.seeds import seeded


class NoLanguageHead(UsageError):
    """A model that is asked to fill in words, and whose folder holds an encoder alone, without the head for that."""


class Loaded(NamedTuple):
    """A backbone in evaluation mode, its tokenizer, and the weights of a pooling layer that is not in use."""

    backbone: Any
    tokenizer: Any
    pooler: dict[str, Tensor]


def load_backbone(folder: Path, name: str, dropout: float | None = None) -> Loaded:
    """What an inspected folder holds; ``dropout`` replaces every probability.

    Raises :class:`ModelError` for what transformers cannot read and for weights that do not belong to config.json.
    """
    with _loading(folder, name):
        config = _config(folder)
        set_dropout(config, dropout, name)
        architecture = _architecture(config)
        extra = {"add_pooling_layer": False} if has_pooling_switch(architecture) else {}
        expected = outline(architecture, config)
        refuse_larger_model(expected, folder, name)
        backbone, report = _weights(architecture, config, folder, **extra)
        tokenizer = _tokenizer(folder)
        pooler = read_pooler(expected, folder) if extra else {}
    refuse_other_weights(report, backbone, name)
    _check_vocabulary(backbone, tokenizer, name)
    return Loaded(backbone.eval(), tokenizer, pooler)


def load_masked_language_model(folder: Path, name: str) -> tuple[Any, Any]:
    """A whole masked language model with its head, in evaluation mode, and its tokenizer; as :func:`load_backbone`.

    Raises :class:`NoLanguageHead` for a folder whose weights have no such head.
    """
    with _loading(folder, name):
        config = _config(folder)
        architecture = language_architecture(config, name)
        refuse_larger_model(outline(architecture, config), folder, name)
        network, report = _weights(architecture, config, folder)
        tokenizer = _tokenizer(folder)
    body = f"{network.base_model_prefix}."
    if head := sorted(str(key) for key in report["missing_keys"] if not str(key).startswith(body)):
        raise NoLanguageHead(
            f"'{name}' has no masked-language-model head (its weights lack {head[0]}): it is an encoder alone, and "
            "cannot fill in words. Give the folder of a whole masked language model"
        )
    other_heads = {key for key in report["unexpected_keys"] if not str(key).startswith(body)}
    report["unexpected_keys"] = [key for key in report["unexpected_keys"] if key not in other_heads]
    refuse_other_weights(report, network, name)
    _check_vocabulary(network, tokenizer, name)
    return network.eval(), tokenizer


def load_tokenizer(folder: Path, name: str) -> Any:
    """The tokenizer of an inspected folder, alone."""
    with _loading(folder, name):
        return _tokenizer(folder)


def language_architecture(config: Any, name: str) -> Any:
    """The class of the masked language model with this configuration; UsageError where transformers has none."""
    from transformers import AutoModelForMaskedLM

    if type(config) not in AutoModelForMaskedLM._model_mapping:
        raise UsageError(
            f"transformers has no masked language model of type '{config.model_type}' ('{name}')"
        )
    return AutoModelForMaskedLM._model_mapping[type(config)]


@contextmanager
def _loading(folder: Path, name: str) -> Iterator[None]:
    """What transformers raises inside the block is a :class:`ModelError` that names the model."""
    with _quiet(), seeded(0, "backbone"):
        try:
            yield
        except ContraposeError:
            raise
        # transformers and its Rust parts raise nearly everything, plain Exception included, on a damaged folder.
        except BaseException as error:
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            raise ModelError(f"cannot load '{name}' from {folder}: {reason_of(error)}") from error


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    config.return_dict = True  # a tuple has no names
    return config


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _weights(architecture: Any, config: Any, folder: Path, **extra: Any) -> Any:
    """(the model with its weights in fp32, transformers' report of what did not fit)."""
    import torch

    return architecture.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        attn_implementation="eager" if not architecture._supports_sdpa else "sdpa",
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # refused by the caller, in words
        **extra,
    )


def _architecture(config: Any) -> Any:
    """The model class for this configuration: the encoder half where the model has two halves."""
    from transformers import AutoModel, AutoModelForTextEncoding

    auto = AutoModelForTextEncoding if type(config) in AutoModelForTextEncoding._model_mapping else AutoModel
    two_halves = auto is AutoModel and getattr(config, "is_encoder_decoder", False)
    if two_halves or type(config) not in auto._model_mapping:
        raise ModelError(f"transformers has no text encoder for models of type '{config.model_type}'")
    known = auto._model_mapping[type(config)]
    return known[0] if isinstance(known, (tuple, list)) else known


def has_pooling_switch(architecture: Any) -> bool:
    """Whether the class builds a pooling layer unless it is told not to."""
    import inspect

    return "add_pooling_layer" in inspect.signature(architecture.__init__).parameters


def _check_vocabulary(backbone: Any, tokenizer: Any, name: str) -> None:
    rows = backbone.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of '{name}' knows {len(tokenizer)} tokens, the model only {rows}: "
            "they do not belong together"
        )
    if 2 * len(tokenizer) < rows:  # tables are padded, by a few hundred rows at most
        raise ModelError(
            f"the tokenizer of '{name}' knows {len(tokenizer)} tokens, the model {rows}: most words would be unknown. "
            "The folder's vocabulary is missing or cut"
        )
    # A vocabulary need not count without gaps.
    if (largest := max(tokenizer.get_vocab().values(), default=0)) >= rows:
        raise ModelError(
            f"the tokenizer of '{name}' has a token with the number {largest}, the model only {rows}: "
            "they do not belong together"
        )


def width_of(backbone: Any, name: str) -> int:
    """D, as the model's configuration says."""
    width = getattr(backbone.config, "hidden_size", None)
    if not isinstance(width, int) or width < 1:
        raise ModelError(
            f"config.json of '{name}' does not say how wide its vectors are (hidden_size: {width!r})"
        )
    return width


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
