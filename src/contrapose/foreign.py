"""Text that anyone may have written, to plain values: JSON, TOML, and files of them, bounded in size and depth.

Python's own parsers answer hostile input with whatever comes up: RecursionError for brackets in brackets, a ValueError
that is no decoding error for long numbers, memory without end for a device. Here all of it is a :class:`ValueError`
with words for a person, so that one ``except`` is enough wherever a file is read.
"""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

#: Levels of lists and tables in one another. What contrapose writes has six; each level costs every later walk a call.
DEEPEST = 64
#: Digits of a whole number that is kept exactly. Above, it becomes a float: infinite, as 1e400 is.
_MOST_DIGITS = 300
#: Bytes of a file that is parsed as a whole. What contrapose writes has kilobytes.
LARGEST_FILE = 64 << 20
#: A whole number of TOML, by its specification.
_LARGEST_WHOLE = 1 << 63


def parse_json(text: str | bytes) -> Any:
    """The value of one JSON text. Everything that is wrong with it is a :class:`ValueError`.

    >>> parse_json('{"a": [1, 1e400]}')
    {'a': [1, inf]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: nested too deeply
    """
    try:
        value = json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from None
    if _brackets(text) > DEEPEST:
        _check_depth(value)
    return value


def parse_json_object(text: str | bytes) -> dict[str, Any]:
    """As :func:`parse_json`, of an object only.

    >>> parse_json_object("[1]")
    Traceback (most recent call last):
    ValueError: it holds no JSON object
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Everything that is wrong with it is a :class:`ValueError`."""
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # int() refuses thousands of digits in its own words
        raise ValueError("a whole number of more than 64 bits") from None
    _check_depth(tables, whole=True)
    return tables


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. OSError where it cannot be read, ValueError for what is in it."""
    return parse_json_object(read_text(path))


def read_text(path: Path, most: int = LARGEST_FILE) -> str:
    """The UTF-8 text of a file of at most ``most`` bytes; a device without end is refused like any large file.

    OSError where it cannot be read, ValueError for what is in it.
    """
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content.decode("utf-8")


def finite_number(value: Any) -> float | None:
    """A finite number as a float, else None: files may hold "NaN", null, or anything.

    >>> finite_number(1), finite_number("NaN"), finite_number(True), finite_number(float("inf"))
    (1.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        finite = float(value)
    except OverflowError:
        return None
    return finite if math.isfinite(finite) else None


def cannot_be_read(error: OSError | ValueError) -> str:
    """Why, in words without the path, which the message around them names."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"not UTF-8 text ({error.reason})" if isinstance(error, UnicodeDecodeError) else str(error)


def _brackets(text: str | bytes) -> int:
    """No value is deeper than its text has opening brackets: counting them spares most texts the walk."""
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{")
    return text.count("[") + text.count("{")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def check_whole_numbers(value: Any) -> None:
    """Raise ValueError where a whole number of more than 64 bits is anywhere in ``value``: arrays hold no larger."""
    _check_depth(value, whole=True)


def _check_depth(value: Any, *, whole: bool = False) -> None:
    """Level by level and not by calls, which would end at Python's own limit."""
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif whole and isinstance(item, int) and not -_LARGEST_WHOLE <= item < _LARGEST_WHOLE:
                raise ValueError("a whole number of more than 64 bits")
        level, depth = below, depth + 1
