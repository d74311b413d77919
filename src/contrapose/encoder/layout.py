"""What a folder says about itself beyond the weights: pooling, normalisation, length; in three dialects.

``contrapose.json``                written by contrapose; the only one that knows ``avg_top2`` or ``cls_before_pooler``
``modules.json``, legacy           sentence-transformers up to 5.3, and what contrapose writes
``modules.json``, since 5.4 and 6  other class paths, ``pooling_mode`` as one word
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.encoder.config_rules import check_prompt
from contrapose.encoder.pooling import check_pooling
from contrapose.encoder.word_weights import from_config
from contrapose.errors import ModelError, UnsafeModel, UsageError

_ST = "sentence_transformers."

#: The module classes a folder may name, under every path sentence-transformers has given them. The words are only
#: compared; nothing is ever imported by name.
MODULE_CLASSES = {
    _ST + "models.Transformer": "transformer",
    _ST + "models.transformer.Transformer": "transformer",
    _ST + "models.Transformer.Transformer": "transformer",
    _ST + "base.modules.Transformer": "transformer",
    _ST + "base.modules.transformer.Transformer": "transformer",
    _ST + "sentence_transformer.modules.Transformer": "transformer",
    _ST + "models.Pooling": "pooling",
    _ST + "models.pooling.Pooling": "pooling",
    _ST + "models.Pooling.Pooling": "pooling",
    _ST + "sentence_transformer.modules.Pooling": "pooling",
    _ST + "sentence_transformer.modules.pooling.Pooling": "pooling",
    _ST + "models.WordWeights": "word_weights",
    _ST + "models.word_weights.WordWeights": "word_weights",
    _ST + "models.WordWeights.WordWeights": "word_weights",
    _ST + "sentence_transformer.modules.WordWeights": "word_weights",
    _ST + "sentence_transformer.modules.word_weights.WordWeights": "word_weights",
    _ST + "models.Normalize": "normalize",
    _ST + "models.normalize.Normalize": "normalize",
    _ST + "models.Normalize.Normalize": "normalize",
    _ST + "base.modules.Normalize": "normalize",
    _ST + "base.modules.normalize.Normalize": "normalize",
    _ST + "sentence_transformer.modules.Normalize": "normalize",
    _ST + "sentence_transformer.modules.normalize.Normalize": "normalize",
}

#: sentence-transformers' words for the poolings that both sides have.
POOLING_WORDS = {"cls": "cls", "mean": "avg"}
LEGACY_POOLING_KEYS = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the folder turns tokens into a vector. ``kind``: ``sentence`` if it says so itself, else ``masked-lm``;
    ``weighted_token``: the token that alone counts in pooling, where the folder names one; ``word_weights``: of each
    token, where the mean over tokens is weighted."""

    backbone: Path
    kind: str = "masked-lm"
    pooling: str = "cls"
    normalize: bool = False
    max_length: int | None = None
    lower_case: bool = False
    prompt: str = ""
    weighted_token: int | None = None
    word_weights: tuple[float, ...] | None = None


def read_layout(folder: Path, name: str) -> Layout:
    """The :class:`Layout` of an inspected folder. A pretrained language model keeps its ``kind`` in contrapose.json.

    Raises :class:`UnsafeModel` for foreign module classes and paths that leave the folder, :class:`ModelError` for a
    pipeline that cannot be represented faithfully.
    """
    own = read_json(folder / "contrapose.json")
    modules = read_json(folder / "modules.json", kind=list)
    if not modules:
        if not own:
            return Layout(backbone=folder)
        return Layout(backbone=folder, kind=_kind(own, folder), **_own_settings(own, folder))
    parts = module_folders(modules, folder)
    pooling, include_prompt = _pooling(parts["pooling"], name)
    weights = (
        _word_weights(parts["word_weights"], name) if "word_weights" in parts and pooling == "avg" else None
    )
    weighted_token = _weighted_token(weights)
    if weighted_token is not None:
        pooling, weights = "mask", None
    settings = _transformer_settings(parts["transformer"], folder, name)
    if settings["prompt"] and not include_prompt:
        raise ModelError(f"'{name}' leaves its prompt out of pooling, which contrapose cannot do")
    if own:
        exact = _own_settings(own, folder)["pooling"]
        if not exact.startswith(pooling) or exact not in ("cls", "cls_before_pooler", "avg", "mask"):
            raise ModelError(
                f"{folder}: contrapose.json says pooling '{exact}', modules.json says '{pooling}'"
            )
        pooling = exact
    return Layout(
        backbone=parts["transformer"],
        kind=_kind(own, folder),
        pooling=pooling,
        normalize="normalize" in parts,
        weighted_token=weighted_token,
        word_weights=weights,
        **settings,
    )


def module_folders(modules: list[Any], folder: Path) -> dict[str, Path]:
    """``transformer``, ``pooling`` and perhaps others -> the folder of each, all inside ``folder``."""
    folders: dict[str, Path] = {}
    for entry in modules:
        path, kind = (entry.get("path"), entry.get("type")) if isinstance(entry, dict) else (None, None)
        if not isinstance(path, str) or not isinstance(kind, str):
            raise ModelError(f"{folder / 'modules.json'}: an entry without a type and a path")
        module = MODULE_CLASSES.get(kind)
        if module is None and kind.startswith(_ST) and kind.replace(".", "").replace("_", "").isalnum():
            raise ModelError(
                f"{folder / 'modules.json'}: the module {kind} is not supported; contrapose reads "
                "Transformer, WordWeights, Pooling and Normalize"
            )
        if module is None:
            raise UnsafeModel(
                f"{folder / 'modules.json'} names the class {kind[:100]!r}: a model folder may not name code"
            )
        if module in folders:
            raise ModelError(f"{folder / 'modules.json'}: two modules of kind {module}")
        folders[module] = inside(folder, path)
    plain = [module for module in folders if module != "word_weights"]
    if list(folders)[:2] not in (plain[:2], ["transformer", "word_weights"]) or plain not in (
        ["transformer", "pooling"],
        ["transformer", "pooling", "normalize"],
    ):
        raise ModelError(
            f"{folder / 'modules.json'}: expected Transformer, Pooling and perhaps Normalize, in this order"
        )
    return folders


def inside(folder: Path, path: str) -> Path:
    """``folder / path``, or :class:`UnsafeModel` if that is anything but a plain place inside ``folder``."""
    odd = any(ord(character) < 32 or character in "\\:~" for character in path)
    if odd or path.startswith("/") or ".." in path.split("/") or len(path) > 255:
        raise UnsafeModel(f"{folder} refers to the path {path[:100]!r}, which is not a plain name inside it")
    return folder / path if path else folder


def read_json(path: Path, kind: type = dict) -> Any:
    """The object in a JSON file, or an empty one if there is no such file; :class:`ModelError` if it is malformed."""
    if not path.is_file():
        return kind()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, kind):
        raise ModelError(f"{path} holds a JSON {type(value).__name__}, expected {kind.__name__}")
    return value


def _pooling(folder: Path, name: str) -> tuple[str, bool]:
    config = read_json(folder / "config.json")
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [
            key.removeprefix("pooling_mode_") for key, on in config.items() if "pooling_mode_" in key and on
        ]
        modes = [LEGACY_POOLING_KEYS.get("pooling_mode_" + mode, mode) for mode in modes] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or len(modes) != 1 or modes[0] not in POOLING_WORDS:
        raise ModelError(
            f"'{name}' pools by {modes}; contrapose reads sentence encoders that pool by one of cls, mean"
        )
    return POOLING_WORDS[modes[0]], bool(config.get("include_prompt", True))


def _word_weights(folder: Path, name: str) -> tuple[float, ...]:
    return from_config(read_json(folder / "config.json"), name)


def _weighted_token(weights: tuple[float, ...] | None) -> int | None:
    """The token that alone has a weight, the mask token of a template; None where several have."""
    some = [token for token, weight in enumerate(weights or ()) if weight]
    return some[0] if len(some) == 1 else None


def _transformer_settings(backbone: Path, folder: Path, name: str) -> dict[str, Any]:
    config = read_json(backbone / "sentence_bert_config.json")
    saved = read_json(folder / "config_sentence_transformers.json")
    prompts, default = saved.get("prompts") or {}, saved.get("default_prompt_name")
    prompt = prompts.get(default, "") if isinstance(prompts, dict) and isinstance(default, str) else ""
    limit = config.get("max_seq_length")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ModelError(f"'{name}': max_seq_length is {limit!r}, expected a positive number")
    return {
        "max_length": limit,
        "lower_case": bool(config.get("do_lower_case", False)),
        "prompt": check_prompt(prompt, name),
    }


def _kind(own: dict[str, Any], folder: Path) -> str:
    """Language models that were pretrained say that they are no sentence encoders yet; every other folder is one."""
    kind = own.get("kind", "sentence")
    if kind not in ("sentence", "masked-lm"):
        raise ModelError(f"{folder / 'contrapose.json'} is damaged: kind is {kind!r:.40}")
    return str(kind)


def _own_settings(own: dict[str, Any], folder: Path) -> dict[str, Any]:
    try:
        if int(own["max_length"]) < 1:
            raise ValueError(f"max_length is {own['max_length']}")
        return {
            "pooling": check_pooling(str(own["pooling"])),
            "normalize": bool(own["normalize"]),
            "max_length": int(own["max_length"]),
            "lower_case": bool(own["lower_case"]),
            "prompt": check_prompt(own["prompt"], "contrapose.json"),
        }
    except (KeyError, TypeError, ValueError, OverflowError, ModelError, UsageError) as error:
        raise ModelError(f"{folder / 'contrapose.json'} is damaged: {error}") from None
