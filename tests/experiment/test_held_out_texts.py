"""What is trained on is the text that was read now, without the rows by which it is judged now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contrapose.experiment.held_out_texts import HeldOutText, held_out_text
from contrapose.listening import Listener
from tests.train.runs import texts


def read(source: Path, folder: Path, **reading: Any) -> HeldOutText:
    return held_out_text("new", [str(source)], folder, reading, Listener(), is_trained_on=True)


def trained_on(text: HeldOutText) -> set[str]:
    assert text.training is not None
    return {json.loads(line)["text"] for line in text.training.read_text().splitlines()}


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("changed", ["the files", "the rules of reading"])
def test_a_folder_that_was_read_otherwise_before_does_not_mix_two_corpora(
    tmp_path: Path, changed: str
) -> None:
    rows = texts(900, seed=0)
    first = write(tmp_path / "first.txt", rows)
    before = read(first, tmp_path / "text")
    if changed == "the files":
        other = write(tmp_path / "other.txt", [f"{row} again" for row in rows])
        now = read(other, tmp_path / "text")
        assert not trained_on(now) & set(rows)
    else:
        fewest = sorted(len(row.split()) for row in rows)[len(rows) // 3]
        now = read(first, tmp_path / "text", min_words=fewest + 1)
        assert all(len(row.split()) > fewest for row in trained_on(now))
    assert trained_on(now) != trained_on(before)
    (judged_by,) = now.columns.values()
    assert judged_by
    assert not trained_on(now) & set(judged_by)
