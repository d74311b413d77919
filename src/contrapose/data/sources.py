"""From what the user names (files, folders, globs, "-") to an ordered list of readable files."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from contrapose.data.own_folders import OwnFolders
from contrapose.data.text import printable
from contrapose.errors import DataError, UsageError

logger = logging.getLogger(__name__)

#: The formats that are read, by suffix; each may be followed by ``.gz``.
FORMATS = ("txt", "jsonl", "csv", "tsv", "parquet")

KNOWN = ", ".join(f".{name}" for name in FORMATS) + " (each also with .gz)"

STDIN = "-"


@dataclass(frozen=True)
class Source:
    """One input: ``path`` is None for standard input, which is read as lines of text."""

    path: Path | None
    format: str
    compressed: bool

    @property
    def name(self) -> str:
        """The file's name as given, for records."""
        return "standard input" if self.path is None else os.fspath(self.path)

    @property
    def shown(self) -> str:
        """The name, safe for a terminal."""
        return printable(self.name, limit=300)


def find_sources(
    sources: Sequence[str | Path] | str | Path, *, out: str | Path | None = None
) -> list[Source]:
    """Every file that ``sources`` name, in order: folders are searched through (sorted, hidden names left out).

    Folders that contrapose made itself (runs, experiments, ledgers) are left out of the search, and so is ``out``,
    where one is about to be made: a run's logs are no text. They are counted in a warning.

    Raises :class:`DataError` when a name leads to no readable file, or to a file of an unknown kind;
    :class:`UsageError` for a folder that is ``out`` or contrapose's own. A file that is named twice is read once, with
    a warning.
    """
    names = [sources] if isinstance(sources, str | Path) else list(sources)
    if not names:
        raise UsageError("no input was named: give files, folders, globs, or - for standard input")
    sources_by_key: dict[str, Source] = {}
    search = OwnFolders(out)
    for name in names:
        for source in _expand(name, search):
            key = STDIN if source.path is None else os.path.realpath(source.path)
            if key in sources_by_key:
                logger.warning("%s is named twice; it is read once", source.shown)
            sources_by_key.setdefault(key, source)
    if search.left_out:
        logger.warning("%s", search.summary())
    return list(sources_by_key.values())


def parquet_sources(sources: Sequence[str | Path]) -> list[Source]:
    """The files, all of them plain Parquet. Raises :class:`UsageError` for others, which cannot be used in place."""
    files = find_sources(sources)
    for source in files:
        if source.format != "parquet" or source.compressed or source.path is None:
            raise UsageError(
                f"--in-place uses Parquet files where they lie, and {source.shown} is none: leave --in-place out, and "
                "its rows are copied"
            )
    return files


def _expand(name: str | Path, search: OwnFolders) -> Iterable[Source]:
    text = os.fspath(name)
    if text == STDIN:
        return [Source(None, "txt", compressed=False)]
    if not text or "\0" in text:
        raise UsageError(f"not a file name: '{printable(text)}'")
    path = Path(text)
    try:
        if path.is_dir():
            return _in_folder(path, search)
        if path.exists():
            return [_required(path)]
        matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
    except OSError as error:
        raise DataError(f"cannot look at {printable(text, 300)}: {error.strerror}") from None
    if not matches:
        raise DataError(f"no such file or folder: {printable(text, 300)}")
    base = _before_magic(path)
    search.refuse_out(base)
    files = [source for match in matches if (source := _recognised(Path(match)))]
    kept = [source for source in files if source.path and search.keeps(source.path, below=base)]
    if not kept:
        raise DataError(
            f"none of the {len(matches)} matches of {printable(text, 300)} is of a known kind: {KNOWN}{search.also()}"
        )
    return kept


def _before_magic(path: Path) -> Path:
    """The folder that a glob begins in: the part that names it as it is."""
    plain = [*takewhile(lambda part: not glob.has_magic(part), path.parts)]
    return Path(*plain)


def _in_folder(folder: Path, search: OwnFolders) -> list[Source]:
    def refuse(error: OSError) -> None:
        raise DataError(f"cannot read folder {printable(error.filename, 300)}: {error.strerror}") from None

    search.refuse(folder)
    sources = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = [Path(parent, name) for name in names if not name.startswith(".")]
        sources += [source for path in files if (source := _recognised(path))]
    kept = [source for source in sorted(sources, key=_path) if search.keeps(_path(source), below=folder)]
    if not kept:
        raise DataError(
            f"folder {printable(folder, 300)} holds no file of a known kind: {KNOWN}{search.also()}"
        )
    return kept


def _path(source: Source) -> Path:
    assert source.path is not None
    return source.path


def _recognised(path: Path) -> Source | None:
    compressed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix if compressed else path.suffix
    kind = suffix.lower().removeprefix(".")
    return Source(path, kind, compressed) if kind in FORMATS and path.is_file() else None


def _required(path: Path) -> Source:
    source = _recognised(path)
    if source is None:
        raise DataError(
            f"{printable(path, 300)} is not of a known kind: {KNOWN}. Rename it, or pipe its lines in with: -"
        )
    return source


def sources_fingerprint(sources: Sequence[str | Path] | str | Path) -> str:
    """sha256 over kind, size and content of every file, in order; names and places do not count.

    Content and not time stamps, so a copy is recognised and an edit never missed; hashing costs about a hundredth of
    reading the rows. Standard input cannot be read twice: it counts as the word "stdin", and what was read from it is
    known only by the fingerprint of the corpus.
    """
    from contrapose.storage import durable

    digest = hashlib.sha256(b"contrapose sources 1\n")
    for source in find_sources(sources):
        if source.path is None:
            digest.update(b"stdin\n")
            continue
        try:
            size, content = source.path.stat().st_size, durable.sha256_file(source.path)
        except OSError as error:
            raise DataError(f"cannot read {source.shown}: {error.strerror}") from None
        digest.update(f"{source.format} {source.compressed} {size} {content}\n".encode())
    return digest.hexdigest()
