"""What a folder of vectors is made of: the input's files by their content, the model, the options; and what changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from contrapose.data.sources import Source
from contrapose.data.text import printable
from contrapose.errors import CorruptFile, DataError, UsageError
from contrapose.foreign import parse_json_object
from contrapose.storage.durable import sha256_file
from contrapose.use.blocks import EncodeOptions, key_of

#: Inode, size, time of the last change.
Stamp = tuple[int, int, int]

#: Differences that a message names.
SHOWN = 5
#: What an option is called where people give it.
_OPTION_NAMES = {"rows_per_block": "--block-rows", "normalize": "--normalize", "text": "--text"}


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """One file of the input. name: as it was given, which the rows of the output carry."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """model: as it was named; fingerprint: sha256 over all that shapes its vectors; width: D."""

    model: str
    fingerprint: str
    width: int
    options: EncodeOptions
    files: tuple[InputFile, ...]

    @cached_property
    def key(self) -> str:
        """What the names of all blocks of this model and these options are hashed with."""
        return key_of(self.fingerprint, self.options)

    def to_json(self) -> dict[str, Any]:
        return {"contrapose-vectors": 1, **asdict(self)}

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises :class:`CorruptFile` for what is none."""
        try:
            record = parse_json_object(path.read_bytes())
            if record.pop("contrapose-vectors") != 1:
                raise ValueError("another contrapose wrote it")
            options = dict(record.pop("options"))
            columns = options.pop("columns")
            return cls(
                options=EncodeOptions(**options, columns=None if columns is None else tuple(columns)),
                files=tuple(InputFile(**each) for each in record.pop("files")),
                **record,
            )
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise CorruptFile(
                f"{path} is damaged: {printable(error, 200)}. Start the folder anew with --force"
            ) from None


def fingerprinted(sources: Sequence[Source]) -> list[tuple[InputFile, Stamp]]:
    """Size and sha256 of every file, in order, and how it stood before it was hashed.

    Raises :class:`UsageError` for standard input.
    """
    files = []
    for source in sources:
        if source.path is None:
            raise UsageError(
                "standard input cannot be read a second time, so a folder of blocks could not go on where it was. "
                "Write it to a file first, or name a file as --output"
            )
        before = _stamp(source)
        files.append((_input_file(source, source.path), before))
    return files


def _stamp(source: Source) -> Stamp:
    """What a file system changes when a file is written: enough to tell that it was, while it is read."""
    assert source.path is not None
    try:
        found = os.stat(source.path)
    except OSError as error:
        raise DataError(f"cannot read {source.shown}: {error.strerror}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_unchanged(source: Source, before: Stamp) -> None:
    """Raise :class:`DataError` where a file is not what it was when it was hashed."""
    if _stamp(source) != before:
        raise DataError(
            f"{source.shown} was changed while it was read. Give the same command with --force when nothing writes to "
            "it any more: blocks that did not change are kept"
        )


def changes(before: Plan, now: Plan) -> list[str]:
    """What is no longer as it was, in words; empty where nothing changed."""
    found = []
    if before.fingerprint != now.fingerprint:
        found.append(
            f"the model is another: it was {printable(before.model, 200)} ({before.fingerprint[:12]}), "
            f"now it is {printable(now.model, 200)} ({now.fingerprint[:12]})"
        )
    old, new = asdict(before.options), asdict(now.options)
    found += [
        f"{_OPTION_NAMES.get(name, f'--{name}')} was {_shown(old[name])}, now it is {_shown(new[name])}"
        for name in new
        if old[name] != new[name]
    ]
    was = {file.name: file for file in before.files}
    is_now = {file.name: file for file in now.files}
    found += [
        f"{printable(name, 300)} is another: its content changed"
        for name in is_now
        if name in was and was[name] != is_now[name]
    ]
    found += [f"{printable(name, 300)} is new" for name in is_now if name not in was]
    found += [f"{printable(name, 300)} is no longer in the input" for name in was if name not in is_now]
    if not found and before.files != now.files:
        found.append("the files are named in another order")
    return found


def in_few_words(found: Sequence[str]) -> str:
    """The first changes, and how many more there are."""
    more = f"; and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _input_file(source: Source, path: Path) -> InputFile:
    try:
        return InputFile(name=source.name, size=os.stat(path).st_size, sha256=sha256_file(path))
    except OSError as error:
        raise DataError(f"cannot read {source.shown}: {error.strerror}") from None
