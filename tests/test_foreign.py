"""Whatever stands in a file, reading it ends in a value or in one kind of error."""

from __future__ import annotations

import json
import math
import os
import threading
from pathlib import Path

import pytest

from contrapose.foreign import (
    DEEPEST,
    cannot_be_read,
    parse_json,
    parse_json_object,
    parse_toml,
    read_json_object,
    read_text,
)

#: JSON texts that Python's parser answers with RecursionError, with an error about digits, or not at all.
ODD = {
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep and closed": "[" * 900 + "]" * 900,
    "superscript digit": '{"a": ²}',
    "not UTF-8": b'{"a": "\xff"}',
    "nothing": "",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_what_is_no_plain_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)


def test_depth_is_counted_and_not_characters() -> None:
    wide = [[number] for number in range(1_000)]
    assert parse_json(json.dumps(wide)) == wide
    assert parse_json("[" * DEEPEST + "]" * DEEPEST) != []
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))
    assert parse_json(json.dumps("[" * 1_000)) == "[" * 1_000


@pytest.mark.parametrize("digits", ["1e400", "1" * 400, "1" * 5_000])
def test_a_number_beyond_the_range_of_a_float_is_infinite(digits: str) -> None:
    assert parse_json(digits) == math.inf
    assert parse_json(f"[-{digits}]") == [-math.inf]


def test_whole_numbers_are_exact_up_to_three_hundred_digits() -> None:
    assert parse_json("9" * 300) == int("9" * 300)


@pytest.mark.parametrize("text", ["[]", "null", '"a"', "1"])
def test_an_object_is_not_another_value(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        parse_json_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "1" * 400,
        "a = " + "1" * 5_000,
        "a = [[1" + "0" * 30 + "]]",
        ".".join("a" * 1_000) + " = 1",
        "a = ²",
    ],
    ids=["deep", "400 digits", "5,000 digits", "in a list", "dotted", "superscript"],
)
def test_what_is_no_plain_toml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_toml(text)


def test_a_file_above_the_bound_is_not_read_to_its_end(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_text("{}")
    assert read_json_object(small) == {}
    assert read_text(small, most=2) == "{}"
    with pytest.raises(ValueError, match="more than 1 bytes"):
        read_text(small, most=1)


def test_a_pipe_without_end_is_left_after_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    written = []

    def feed() -> None:
        with open(path, "wb", buffering=0) as pipe:
            try:
                while True:
                    written.append(pipe.write(b"x" * 4_096))
            except BrokenPipeError:
                pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    with pytest.raises(ValueError, match="more than 10,000 bytes"):
        read_text(path, most=10_000)
    feeder.join(timeout=60)
    assert not feeder.is_alive()
    assert sum(written) < 1_000_000


def test_why_a_file_cannot_be_read_is_said_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        read_text(tmp_path / "missing")
    assert cannot_be_read(caught.value) == "No such file or directory"
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(ValueError, match="utf-8") as wrong:
        read_text(tmp_path / "latin")
    assert cannot_be_read(wrong.value) == "not UTF-8 text (unexpected end of data)"
