"""Looking at a safetensors header before anything believes it.

The format: eight bytes with the header's length, the header (JSON: name -> dtype, shape, offsets), the numbers. A
header that lies about lengths or offsets is the only way such a file can do harm, so all of it is checked with plain
integers.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

from contrapose.errors import CorruptFile, UnsafeModel

#: The largest header accepted. A model of 1,000 tensors needs 0.1 MB.
LARGEST_HEADER = 4 * 2**20
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 16

#: Bytes of one number.
BYTES_OF = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}

#: The first bytes of a pickle (protocols 2 to 5) and of a zip archive, in which torch keeps pickles.
PICKLE_MAGIC = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
ZIP_MAGIC = b"PK\x03\x04"
#: Arrays of numpy can hold pickles too, and have no place in a model.
NUMPY_MAGIC = b"\x93NUMPY"


def count_numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, by its header."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        tensors = _parse(path, file, min(length, LARGEST_HEADER))
    return sum(math.prod(entry["shape"]) for entry in tensors.values())


def check_safetensors(path: Path) -> None:
    """Nothing if the header is sound; else :class:`CorruptFile`, or :class:`UnsafeModel` for a renamed pickle."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
        if size < 8 or len(start) < 9 or start[8:] != b"{":
            _refuse_pickle(path, start)
            raise CorruptFile(f"{path} is no safetensors file: it has {size} bytes and no header")
        length = struct.unpack("<Q", start[:8])[0]
        if length > min(LARGEST_HEADER, size - 8):
            _refuse_pickle(path, start)
            raise CorruptFile(
                f"{path}: its header claims {length} bytes; the file has {size} and the limit is {LARGEST_HEADER}"
            )
        tensors = _parse(path, file, length)
    _check_offsets(path, tensors, size - 8 - length)


def _refuse_pickle(path: Path, start: bytes) -> None:
    if start.startswith((*PICKLE_MAGIC, ZIP_MAGIC)):
        raise UnsafeModel(
            f"{path} is named safetensors but holds a pickle, which could run code. It was not opened."
        )


def _parse(path: Path, file: BinaryIO, length: int) -> dict[str, Any]:
    file.seek(8)
    try:
        pairs = json.loads(file.read(length), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise CorruptFile(f"{path}: its header is no valid JSON: {error}") from None
    if not isinstance(pairs, dict):
        raise CorruptFile(f"{path}: its header is no table")
    pairs.pop("__metadata__", None)
    if not 0 < len(pairs) <= MOST_TENSORS:
        raise CorruptFile(f"{path} holds {len(pairs)} tensors; between 1 and {MOST_TENSORS} are accepted")
    return pairs


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _check_offsets(path: Path, tensors: dict[str, Any], room: int) -> None:
    spans = []
    for name, entry in tensors.items():
        span = _span(entry)
        if span is None:
            raise CorruptFile(
                f"{path}: tensor {name[:80]!r} has a type, shape or place that does not fit together"
            )
        spans.append((*span, name))
    expected = 0
    for begin, end, name in sorted(spans):
        if begin != expected:
            raise CorruptFile(f"{path}: tensor {name[:80]!r} overlaps another or leaves a gap")
        expected = end
    if expected != room:
        raise CorruptFile(
            f"{path}: its tensors need {expected} bytes and {room} are there; the file is cut or padded"
        )


def _span(entry: Any) -> tuple[int, int] | None:
    """(begin, end) of a tensor if type, shape and offsets agree."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return None
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _sizes(shape) or len(shape) > MOST_DIMENSIONS or not _sizes(offsets) or len(offsets) != 2:
        return None
    bytes_each = BYTES_OF.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    begin, end = offsets
    if bytes_each is None or begin > end or math.prod(shape) * bytes_each != end - begin:
        return None
    return begin, end


def _sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)
