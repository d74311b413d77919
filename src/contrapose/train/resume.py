"""May this run go on? Only with the settings, the data and the model it was begun with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contrapose.data.corpus import Corpus
from contrapose.data.sources import sources_fingerprint
from contrapose.durable import write_json
from contrapose.encoder.encoder import Encoder
from contrapose.errors import ContraposeError, CorruptFile, ResumeRefused
from contrapose.foreign import cannot_be_read, read_json_object
from contrapose.train.settings import RunSettings

#: Sections and keys that may differ between a run and its continuation, because no result depends on them.
FREE = ("out", "saving", "data.corpus")
#: What of the environment decides the last bits of a sum.
BITS_DEPEND_ON = ("versions", "device", "cpu_capability", "threads", "processes")


def write_record(
    folder: Path, settings: RunSettings, corpus: Corpus, encoder: Encoder, *, method_file: str | None = None
) -> None:
    """What a continuation is compared with. method_file: the sha256 of the file the method was read from, if any."""
    record: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "corpus": corpus.fingerprint,
        "sources": corpus.sources_fingerprint,
        "model": encoder.fingerprint(),
        "model_name": encoder.name,
    }
    if method_file is not None:
        record["method_file"] = method_file
    write_json(folder / "run.json", record)


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run; CorruptFile where it is not readable."""
    record = _read_object(folder / "run.json")
    if missing := [key for key in ("settings", "corpus", "sources", "model") if key not in record]:
        raise CorruptFile(f"{folder / 'run.json'} is not the record of a run: it has no {', '.join(missing)}")
    return record


def check_method_file(folder: Path, sha256: str | None) -> None:
    """Raise ResumeRefused where the method was read from a file that changed since. Nothing is loaded for it."""
    if not (folder / "run.json").exists():
        return
    begun = read_record(folder).get("method_file")
    if begun is not None and sha256 is not None and begun != sha256:
        raise ResumeRefused(
            f"the file of the method changed since {folder} was begun, so it cannot be continued: restore the file, "
            "or start a new run with another --out"
        )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except (OSError, ValueError) as error:
        raise CorruptFile(
            f"{path} cannot be read ({cannot_be_read(error)}): this is not the folder of a run"
        ) from None


def check_resumable(
    folder: Path,
    settings: RunSettings,
    corpus: Corpus,
    encoder: Encoder,
    environment: Mapping[str, Any],
    notice: Callable[[str], None],
) -> None:
    """Raise ResumeRefused, naming every difference; tell of differences that only change the last bits."""
    record = read_record(folder)
    differences = _differences(record["settings"], settings.model_dump(mode="json"))
    if differences:
        raise ResumeRefused(
            f"{folder} was begun with other settings, so it cannot be continued: {'; '.join(differences)}. "
            "Give the settings it was begun with (they are in its config.toml), or another --out"
        )
    if corpus.fingerprint != record["corpus"]:
        raise ResumeRefused(f"the corpus in {folder / 'cache'} is not the one the run was begun with")
    _check_sources(settings, record, notice)
    if encoder.fingerprint() != record["model"]:
        raise ResumeRefused(
            f"the model '{settings.encoder.model}' is not the one the run was begun with (its weights, tokenizer or "
            "pooling changed): restore it, or start a new run with another --out"
        )
    then = _read_object(folder / "env.json")
    changed = [key for key in BITS_DEPEND_ON if then.get(key) != environment.get(key)]
    if changed:
        notice(
            f"the environment changed since the run was begun ({', '.join(changed)}): "
            "it goes on, but not bit for bit as it would have"
        )


def _check_sources(settings: RunSettings, record: Mapping[str, Any], notice: Callable[[str], None]) -> None:
    if "-" in settings.data.corpus:
        return
    try:
        now = sources_fingerprint(settings.data.corpus)
    except ContraposeError as error:
        notice(
            f"the corpus files cannot be compared with those of the start ({error}); the run's own copy is used"
        )
        return
    if now != record["sources"]:
        raise ResumeRefused(
            "the corpus files changed since the run was begun, so it cannot be continued: "
            "restore them, or start a new run with another --out"
        )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[str]:
    found = []
    for key in sorted(set(before) | set(now)):
        name = f"{path}{key}"
        old, new = before.get(key), now.get(key)
        if name in FREE or old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{name}.")
        else:
            found.append(f"{name} was {old!r} and is {new!r}")
    return found
