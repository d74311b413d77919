"""A model folder is data: it is looked through before anything in it is loaded, and refused if it could act.

Refused: pickled weights (by name and by content), Python files, custom code named in a configuration, classes other
than the three known ones, links and paths that lead out, adapters that point to another model, damaged safetensors
headers. There is no option that turns this off.
"""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

from contrapose.encoder.config_rules import check_config_numbers, check_tokenizer_config
from contrapose.encoder.headers import NUMPY_MAGIC, PICKLE_MAGIC, ZIP_MAGIC, check_safetensors
from contrapose.encoder.layout import module_folders, read_json
from contrapose.encoder.source import FETCHED, NOT_FETCHED
from contrapose.encoder.tokenizer_rules import check_added_tokens, check_tokenizer_rules
from contrapose.errors import ModelError, UnsafeModel

#: Names of files that are, or may hold, pickles.
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npz", ".dill", ".ot")
CODE_SUFFIXES = (".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".sh", ".exe")

#: Keys of a configuration that name code to fetch or to call.
CODE_KEYS = (
    "auto_map",
    "custom_pipelines",
    "quantization_config",
    "kernel_config",
    "use_kernels",
    "fusion_config",
)
#: The only keys of config.json with a leading underscore that are plain notes.
PLAIN_NOTES = ("_name_or_path", "_commit_hash", "_num_labels", "_from_model_config", "_diffusers_version")

#: Size limits of text files: the largest real tokenizer.json have about 35 MB, other files a few kB.
LARGEST_JSON = 4 * 2**20
LARGEST_TOKENIZER = 128 * 2**20
MOST_FILES = 10_000

_SHARD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors", re.ASCII)


def inspect_folder(folder: Path, *, fetched: bool = False) -> None:
    """Nothing if the folder may be loaded; else :class:`UnsafeModel`, :class:`CorruptFile` or :class:`ModelError`.

    ``fetched``: a snapshot in the hub's cache. There, files that contrapose would not have fetched are never read and
    are passed over, and links lead to the cache's blobs.
    """
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        inner = folder / "model"
        hint = f" Did you mean {inner}?" if (inner / "config.json").is_file() else ""
        raise ModelError(f"{folder} is no model folder: it has no config.json.{hint}")
    for path in _files(folder, fetched):
        _check_file(path)
    modules = read_json(folder / "modules.json", kind=list)
    backbone = module_folders(modules, folder)["transformer"] if modules else folder
    _check_config(backbone)
    _check_tokenizer(backbone)
    _check_weights(backbone)


def _files(folder: Path, fetched: bool) -> list[Path]:
    root = allowed_root(folder)
    files: list[Path] = []
    for path in folder.rglob("*"):
        if len(files) >= MOST_FILES:
            raise UnsafeModel(f"{folder} holds more than {MOST_FILES} files: this is no model folder")
        relative = path.relative_to(folder).as_posix()
        if fetched and not _would_be_fetched(relative):
            continue
        if path.is_symlink() and not _target(path).is_relative_to(root):
            raise UnsafeModel(f"{path} is a link that leads out of the model folder")
        if path.is_file():
            files.append(path)
        elif not path.is_dir():
            raise UnsafeModel(f"{path} is neither a file nor a folder")
    return files


def _target(link: Path) -> Path:
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop, up to Python 3.12
        raise UnsafeModel(f"{link} is a link that leads nowhere, or round in a circle") from None


def allowed_root(folder: Path) -> Path:
    """Where links may lead: the folder, or for a snapshot in the hub's cache (snapshots/COMMIT) the model's blobs."""
    blobs = folder.parent.parent / "blobs"
    if folder.parent.name == "snapshots" and blobs.is_dir():
        return blobs.resolve()
    return folder.resolve()


def _would_be_fetched(relative: str) -> bool:
    wanted = any(fnmatch.fnmatch(relative, pattern) for pattern in FETCHED)
    return wanted and not any(fnmatch.fnmatch(relative, pattern) for pattern in NOT_FETCHED)


def _check_file(path: Path) -> None:
    name = path.name.lower()
    if name.endswith(CODE_SUFFIXES):
        raise UnsafeModel(f"{path} is code; a model folder is data. Remove it if you trust the rest.")
    if name.endswith(PICKLE_SUFFIXES) and not _is_of_graph(path):
        raise UnsafeModel(
            f"{path} may hold pickled objects, which can run code when they are opened. contrapose reads safetensors "
            "only: convert the weights, or remove the file if model.safetensors lies beside it."
        )
    if name == "adapter_config.json":
        raise ModelError(
            f"{path}: this is an adapter, not a model. Merge it into its base model and save that."
        )
    if name.endswith(".safetensors"):
        check_safetensors(path)
        return
    size = path.stat().st_size
    if name.endswith(".json") and size > (
        LARGEST_TOKENIZER if name in ("tokenizer.json", "vocab.json") else LARGEST_JSON
    ):
        raise ModelError(f"{path} has {size} bytes: too much for a file of this name")
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith((*PICKLE_MAGIC, ZIP_MAGIC, NUMPY_MAGIC)):
        raise UnsafeModel(
            f"{path} may hold pickled objects, which can run code. It was not opened. Remove it."
        )


def _is_of_graph(path: Path) -> bool:
    """Whether a .bin holds the weights of the graph of OpenVINO beside it: plain numbers, which no Python reads."""
    return (
        path.parent.name == "openvino"
        and path.name.startswith("openvino_model")
        and path.suffix == ".bin"
        and path.with_suffix(".xml").is_file()
    )


def _check_config(backbone: Path) -> None:
    path = backbone / "config.json"
    if not path.is_file():
        raise ModelError(f"{backbone} is no model folder: it has no config.json")
    config = read_json(path)
    _refuse_code(config, path)
    if not isinstance(config.get("model_type"), str):
        raise ModelError(f"{path} does not say its model_type")
    check_config_numbers(_entries(config), path)


def _refuse_code(config: dict[str, Any], path: Path) -> None:
    for key, _ in _entries(config):
        hidden = key.startswith("_") and key not in PLAIN_NOTES
        if key in CODE_KEYS or hidden or "attn_implementation" in key or "experts_implementation" in key:
            raise UnsafeModel(
                f"{path} has the key {key[:80]!r}, which can make a library fetch or run code. contrapose loads plain "
                "architectures of transformers only, and has no option to trust remote code."
            )


def _entries(value: Any) -> list[tuple[str, Any]]:
    """All key and value pairs, however deep; JSON of at most ``LARGEST_JSON`` bytes, so the walk is bounded."""
    entries: list[tuple[str, Any]] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            entries += item.items()
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return entries


def _check_tokenizer(backbone: Path) -> None:
    path = backbone / "tokenizer_config.json"
    config = read_json(path)
    _refuse_tokenizer_code(config, path)
    check_tokenizer_config(config, path)
    for name, keys in _ADDED_IN.items():
        described = read_json(backbone / name)
        lists = [described] if not keys else [described.get(key) for key in keys]
        check_added_tokens(
            sum(len(part) for part in lists if isinstance(part, (list, dict))), backbone / name
        )
    if not any(
        (backbone / name).is_file() for name in ("tokenizer.json", "vocab.txt", "vocab.json")
    ) and not any(backbone.glob("*.model")):
        raise ModelError(f"{backbone} holds no tokenizer (tokenizer.json, vocab.txt, vocab.json or *.model)")
    check_tokenizer_rules(read_json(backbone / "tokenizer.json"), backbone / "tokenizer.json")


#: Where a folder lists tokens that are added to the vocabulary, and under which keys; none: the whole file is the list.
_ADDED_IN: dict[str, tuple[str, ...]] = {
    "tokenizer_config.json": ("added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"),
    "special_tokens_map.json": ("additional_special_tokens",),
    "added_tokens.json": (),
}


def _refuse_tokenizer_code(config: dict[str, Any], path: Path) -> None:
    if any(key == "auto_map" for key, _ in _entries(config)):
        raise UnsafeModel(f"{path} has the key 'auto_map', which names code to run; contrapose runs none")
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    for key in ("tokenizer_class", "processor_class"):
        name = config.get(key)
        if name is None:
            continue
        plain = isinstance(name, str) and name.isidentifier()
        if not plain or (key == "tokenizer_class" and tokenizer_class_from_name(name) is None):
            raise UnsafeModel(
                f"{path} names the tokenizer class {str(name)[:80]!r}, which is none of transformers' own"
            )


def _check_weights(backbone: Path) -> None:
    index = read_json(backbone / "model.safetensors.index.json")
    if not index:
        if not (backbone / "model.safetensors").is_file():
            raise ModelError(
                f"{backbone} holds no model.safetensors; contrapose reads weights in this format only"
            )
        return
    shards = index.get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ModelError(f"{backbone / 'model.safetensors.index.json'} names no shards")
    for shard in set(map(str, shards.values())):
        if not _SHARD.fullmatch(shard) or ".." in shard:
            raise UnsafeModel(
                f"{backbone / 'model.safetensors.index.json'} names the shard {shard[:100]!r}, not a plain name"
            )
        if not (backbone / shard).is_file():
            raise ModelError(f"{backbone}: the shard {shard} is missing")
