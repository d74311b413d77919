"""The files of a corpus's folder, read: any of them may be damaged, and then the error names it.

corpus.json       what it is of, how it was read, what became of the rows
quarantine.jsonl  the rows that could not be read
corpus.arrow      the rows; blocks.npy: where its batches lie, and their checksums
kept.npy          in their place where Parquet files are used where they lie: which of their rows are kept
groups.npy        and how their row groups lie
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from contrapose.data.row_bits import RowBits
from contrapose.data.rowfile import BLOCK, RowFile
from contrapose.data.shards import GROUP, Shard, ShardRows
from contrapose.data.text import printable
from contrapose.errors import CorruptFile, DataError
from contrapose.foreign import read_json_object
from contrapose.storage import durable

#: Raised when the files of a corpus change their form; older ones are then built again.
VERSION = 1

#: Bytes of rows from which on they are not read as a whole to be verified.
VERIFIED_WHOLE = 1 << 30

ABOUT, QUARANTINED = "corpus.json", "quarantine.jsonl"
ROWS, BLOCKS = "corpus.arrow", "blocks.npy"
KEPT, GROUPS = "kept.npy", "groups.npy"


def open_rows(folder: Path, about: dict[str, Any], *, verify: bool) -> RowFile | ShardRows:
    """The rows, whose files are verified as :meth:`Corpus.open` says."""
    return (_shards if "shards" in about else _copied)(folder, about, verify)


def _copied(folder: Path, about: dict[str, Any], verify: bool) -> RowFile:
    path = folder / ROWS
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CorruptFile(f"{path} cannot be read ({error.strerror}). Build the corpus again") from None
    if size != about["bytes"]:
        raise CorruptFile(f"{path} has {size} bytes, {about['bytes']} were written. Build the corpus again")
    blocks = _read_array(folder / BLOCKS, BLOCK)
    whole = verify and (size < VERIFIED_WHOLE or blocks is None)
    if verify:
        durable.verify_tree(folder, leave_out=() if whole else (ROWS,))
    return RowFile(path, blocks, checked=whole)


def _shards(folder: Path, about: dict[str, Any], verify: bool) -> ShardRows:
    if verify:
        durable.verify_tree(folder)
    groups, kept = _read_array(folder / GROUPS, GROUP), _read_array(folder / KEPT, np.dtype(np.uint8))
    if groups is None or kept is None:
        raise CorruptFile(f"{folder} lacks {KEPT} or {GROUPS}. Build the corpus again")
    try:
        shards = [Shard.from_json(each) for each in about["shards"]]
        window_bytes = int(about["window_bytes"])
    except (KeyError, TypeError, ValueError):
        raise CorruptFile(f"{folder / ABOUT} is damaged. Build the corpus again") from None
    return ShardRows(shards, about["columns"], groups, RowBits(kept), window_bytes=window_bytes)


def _read_array(path: Path, kind: np.dtype[Any]) -> np.ndarray | None:
    """An array of a folder; None where there is none, as in a corpus of an earlier version."""
    try:
        with open(path, "rb") as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise CorruptFile(f"{path} cannot be read ({error}). Build the corpus again") from None
    if array.dtype != kind:
        raise CorruptFile(f"{path} is damaged. Build the corpus again")
    return array


def read_about(folder: Path) -> dict[str, Any]:
    """What ``corpus.json`` says. Raises :class:`DataError` where there is none, :class:`CorruptFile`."""
    path = folder / ABOUT
    try:
        about = read_json_object(path)
        if about["version"] != VERSION:
            raise CorruptFile(
                f"{path} is of version {about['version']}, not {VERSION}. Build the corpus again"
            )
        needed = {"columns", "fingerprint", "sources", "settings", "account", "bytes"} - set(about)
        if needed:
            raise CorruptFile(f"{path} lacks {', '.join(sorted(needed))}. Build the corpus again")
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"there is no corpus in {printable(folder, 300)}: it has no {ABOUT}") from None
    except OSError as error:
        raise CorruptFile(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError):
        raise CorruptFile(f"{path} is damaged. Build the corpus again") from None
    return about
