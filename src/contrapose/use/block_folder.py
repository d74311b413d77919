"""A folder of vectors: one Parquet file per block, and beside them what they are made of and what is done.

    FOLDER/00000-000000-KEY.parquet    file, line, text, embedding; ``pyarrow.dataset.dataset("FOLDER")`` reads all
    FOLDER/_encode/plan.json           the input's files, model and options, by their content
    FOLDER/_encode/done.jsonl          a line for each block that is written, and for each file that is read
    FOLDER/_encode/quarantine/N.jsonl  the rows of the N-th file that could not be read
    FOLDER/_encode/manifest.json       written last: the folder is whole, and these are its files

One process writes into it at a time (a lock). What is recorded counts only where the file on the disk still has that
size and SHA-256, so a cut or changed file is made anew, and one that a killed process left unrecorded too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contrapose.data.quarantine import Quarantine
from contrapose.data.text import printable
from contrapose.errors import CorruptFile, UsageError
from contrapose.foreign import parse_json_object
from contrapose.storage import syscalls
from contrapose.storage.durable import RunLock, append_line, remove_tree, sha256_file, write_json, write_text
from contrapose.use.block_plan import Plan, changes, in_few_words
from contrapose.use.blocks import NAME, BlockRecord, order

#: Where the folder keeps what is no vector; readers of Parquet folders pass over names that begin with "_".
OWN = "_encode"


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """A file that was read to its end. sha256: its content; read: rows met; bad: those of them that have no vector."""

    file: str
    sha256: str
    key: str
    blocks: tuple[str, ...]
    read: int
    bad: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class BlockFolder:
    """The folder while a process holds it. Made by :func:`opened`.

    done: the blocks that are there and whole, by name; files: what was read to its end, by name; lost: how many
    recorded blocks were missing or damaged.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.done: dict[str, BlockRecord] = {}
        self.files: dict[str, FileRecord] = {}
        self.lost = 0
        for record in _records(folder / OWN / "done.jsonl"):
            if isinstance(record, FileRecord):
                self.files[record.file] = record
            else:
                self.done[record.name] = record
        for name, record in list(self.done.items()):
            if not _is_whole(folder / name, record):
                del self.done[name]
                self.lost += 1

    def is_read(self, number: int) -> bool:
        """Whether a file of the plan was read to its end as it is now, and all of its blocks are there."""
        file = self.plan.files[number]
        record = self.files.get(file.name)
        return (
            record is not None
            and (record.sha256, record.key) == (file.sha256, self.plan.key)
            and all(name in self.done and order(name)[0] == number for name in record.blocks)
        )

    def add(self, record: BlockRecord) -> None:
        """A block's file was written."""
        self.done[record.name] = record
        append_line(self._log, json.dumps({"block": record.to_json()}), sync=True)

    def finish_file(self, number: int, blocks: tuple[str, ...], quarantine: Quarantine) -> None:
        """A file was read to its end, and these are its blocks, whether or not all of them are written."""
        file = self.plan.files[number]
        record = FileRecord(
            file=file.name,
            sha256=file.sha256,
            key=self.plan.key,
            blocks=blocks,
            read=quarantine.read,
            bad=quarantine.bad,
            reasons=dict(quarantine.by_reason.most_common()),
            notices=tuple(quarantine.notices),
        )
        listed = self.folder / OWN / "quarantine" / f"{number:05}.jsonl"
        if quarantine.bad:
            listed.parent.mkdir(exist_ok=True)
            write_text(listed, "".join(f"{each.to_json()}\n" for each in quarantine.records))
        else:
            syscalls.remove(listed)
        self.files[file.name] = record
        append_line(self._log, json.dumps({"file": vars(record)}), sync=True)

    def finish(self) -> int:
        """Count rows, take away files of an earlier state, and declare the folder whole; how many were taken away.

        Raises :class:`CorruptFile` where rows in are not rows out and quarantined rows together, file by file.
        """
        from pyarrow import parquet

        wanted: dict[str, BlockRecord] = {}
        for file in self.plan.files:
            record = self.files[file.name]
            rows = sum(parquet.read_metadata(self.folder / name).num_rows for name in record.blocks)
            if rows != record.read - record.bad:
                raise CorruptFile(
                    f"{printable(file.name, 300)} has {record.read:,} rows, of which {record.bad:,} could not be read, "
                    f"and {self.folder} holds {rows:,} vectors of it. Something else writes there: "
                    "give the same command with --force and a folder of its own"
                )
            wanted |= {name: self.done[name] for name in record.blocks}
        strays = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)]
        strays = [path for path in strays if path.name not in wanted]
        for path in strays:
            with syscalls.reporting(path, "delete"):
                syscalls.remove(path)
        listed = [wanted[name].to_json() for name in sorted(wanted, key=order)]
        bad = sum(self.files[file.name].bad for file in self.plan.files)
        rows = sum(record.rows for record in wanted.values())
        manifest = {**self.plan.to_json(), "rows": rows, "quarantined": bad, "blocks": listed}
        write_json(self.folder / OWN / "manifest.json", manifest)
        return len(strays)

    @property
    def _log(self) -> Path:
        return self.folder / OWN / "done.jsonl"


@contextmanager
def opened(folder: Path, plan: Plan, *, overwrite: bool = False) -> Iterator[BlockFolder]:
    """The folder, locked, ready for this plan. overwrite: a folder of another plan is brought to this one.

    A new folder in which nothing was written when the block fails is taken away again.

    Raises :class:`UsageError` for a folder of another plan and for one that is not contrapose's, naming what differs;
    :class:`RunLocked` where another process is at work in it.
    """
    is_new = not folder.exists()
    own = folder / OWN
    check_folder(folder)
    with syscalls.reporting(folder, "make the folder"):
        own.mkdir(parents=True, exist_ok=True)
    with RunLock(own):
        try:
            if (own / "plan.json").exists() and not overwrite:
                _refuse_changes(folder, Plan.read(own / "plan.json"), plan)
            with syscalls.reporting(own / "manifest.json", "delete"):
                syscalls.remove(own / "manifest.json")  # until all is reconciled again
            write_json(own / "plan.json", plan.to_json())
            yield BlockFolder(folder, plan)
        except BaseException:
            if is_new and not any(NAME.fullmatch(path.name) for path in folder.iterdir()):
                remove_tree(folder)
            raise


def check_folder(folder: Path) -> None:
    """Raise :class:`UsageError` for what cannot be a folder of vectors, before any work."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder} is a file, not a folder: choose another name")
    if not folder.is_dir():
        return
    others = [
        path.name
        for path in sorted(folder.iterdir())
        if path.name != OWN and not path.name.startswith(".") and not NAME.fullmatch(path.name)
    ]
    if others:
        raise UsageError(
            f"--output {folder} holds {printable(others[0], 200)}, which is no block of vectors, and readers of the "
            "folder would take it for one: choose a folder of its own"
        )


def _refuse_changes(folder: Path, before: Plan, now: Plan) -> None:
    found = changes(before, now)
    if found:
        raise UsageError(
            f"{folder} holds vectors of something else: {in_few_words(found)}. Choose another folder, or bring "
            "this one up to date with --force: blocks that did not change are kept"
        )


def _records(path: Path) -> Iterator[BlockRecord | FileRecord]:
    """What is recorded; a line that a power cut tore counts as nothing."""
    if not path.exists():
        return
    with syscalls.reporting(path, "read"), path.open("rb") as file:
        for line in file:
            try:
                ((kind, record),) = parse_json_object(line).items()
                yield _record(kind, dict(record))
            except (ValueError, TypeError, KeyError):
                continue


def _record(kind: str, record: dict[str, Any]) -> BlockRecord | FileRecord:
    if kind == "block":
        if not NAME.fullmatch(record["name"]):
            raise ValueError("no name of a block")
        return BlockRecord(**record)
    blocks = tuple(record.pop("blocks"))
    if not all(NAME.fullmatch(name) for name in blocks):
        raise ValueError("no name of a block")
    return FileRecord(**{**record, "blocks": blocks, "notices": tuple(record["notices"])})


def _is_whole(path: Path, record: BlockRecord) -> bool:
    try:
        return os.stat(path).st_size == record.size and sha256_file(path) == record.sha256
    except FileNotFoundError:
        return False
