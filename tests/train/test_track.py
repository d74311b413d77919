"""The log is JSON that hides nothing, survives a torn line, and forgets what a resumed run will do again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from contrapose.errors import StorageError
from contrapose.train.run_folder import read_rows
from contrapose.train.track import MetricsLog, numbers, strict_json


def test_numbers_that_are_not_finite_are_words() -> None:
    row = {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": float("-inf")}, "step": 1}
    line = strict_json(row)
    assert json.loads(line) == {"a": "NaN", "b": ["Infinity", 1.5], "c": {"d": "-Infinity"}, "step": 1}

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(line, parse_constant=refuse)


def test_scalars_of_any_shape_and_type_become_floats() -> None:
    made = numbers({"a": torch.tensor(1.5), "b": torch.tensor([[2]]), "c": torch.tensor(float("nan"))})
    assert (made["a"], made["b"]) == (1.5, 2.0)
    assert made["c"] != made["c"]
    assert numbers({}) == {}


def test_a_torn_line_is_passed_over_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    log = MetricsLog(tmp_path)
    log.write({"step": 2, "loss": 1.5})
    assert read_rows(path) == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]


def test_rows_after_the_checkpoint_are_cut_and_the_others_keep_their_bytes(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    rows = [{"step": step, "loss": 1 / (step + 3), "x": float("nan"), "é": "ü"} for step in range(6)]
    for row in rows:
        log.write(row)
    whole = log.path.read_bytes()
    with log.path.open("ab") as file:
        file.write(b'{"step": 6, "lo\xff')
    log.cut_after(3)
    assert log.path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:4])
    log.cut_after(3)
    assert len(read_rows(log.path)) == 4
    log.cut_after(-1)
    assert log.path.read_bytes() == b""


def test_synchronising_without_a_file_is_fine(tmp_path: Path) -> None:
    MetricsLog(tmp_path).sync()


def test_an_unreadable_log_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"cannot read .*metrics.jsonl"):
        read_rows(tmp_path / "metrics.jsonl")


ODD_LINES = ["[" * 100_000, '{"step": ' + "[" * 100_000, '{"step": "3"}', '{"step": 1e400}', "²", "[3]"]


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_a_line_of_another_shape_is_no_row(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n' + line + '\n{"step": 2, "n": ' + "9" * 5_000 + "}\n")
    assert [row["step"] for row in read_rows(path)] == [1, 2]
