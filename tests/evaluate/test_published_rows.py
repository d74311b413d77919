"""Genuine files as people have them: their encoding is read, and a copy that lost rows is named."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from contrapose.errors import DataError
from contrapose.evaluate.explained import definition_of
from contrapose.evaluate.published import PUBLISHED_ROWS, other_rows_than_published
from contrapose.evaluate.senteval import STS_TASKS, read_sts
from contrapose.evaluate.senteval_transfer import LATIN_1_TASKS, TRANSFER_TASKS, read_transfer
from contrapose.evaluate.transfer import TransferTask, transfer_protocol
from tests.evaluate.folders import by_class, write_transfer

FIRST_FILES = {
    "MR": "MR/rt-polarity.neg",
    "CR": "CR/custrev.neg",
    "SUBJ": "SUBJ/subj.objective",
    "MPQA": "MPQA/mpqa.neg",
    "TREC": "TREC/train_5500.label",
}


def test_every_task_has_its_published_rows() -> None:
    assert set(PUBLISHED_ROWS) == {*STS_TASKS, *TRANSFER_TASKS}
    assert set(FIRST_FILES) == set(LATIN_1_TASKS)


@pytest.mark.parametrize("task", LATIN_1_TASKS)
def test_a_file_in_latin_1_is_read_as_its_utf8_copy_is_and_says_so(tmp_path: Path, task: str) -> None:
    path = write_transfer(tmp_path) / FIRST_FILES[task]
    text = path.read_text().replace(" text 3 ", " café ð 3 ").replace("train_5500 3 ", "café ð 3 ")
    path.write_text(text, encoding="utf-8")
    modern = read_transfer(tmp_path, task)
    assert any("café ð" in text for text in modern.first)
    assert modern.latin_1 == ()
    path.write_bytes(text.encode("latin-1"))
    genuine = read_transfer(tmp_path, task)
    assert genuine.first == modern.first
    assert genuine.fingerprint == modern.fingerprint
    assert genuine.latin_1 == (FIRST_FILES[task],)
    encoder = by_class()
    vectors = TransferTask(data=genuine, protocol=transfer_protocol("senteval-transfer-fast"))
    from contrapose.evaluate.encoding import encode_once

    (result,) = vectors.score(encode_once(encoder, vectors.texts))
    assert result.details["read_as_latin_1"] == FIRST_FILES[task]
    assert definition_of(result)


@pytest.mark.parametrize("name", ["SST/binary/sentiment-test", "MRPC/msr_paraphrase_test.txt"])
def test_files_that_were_always_utf8_are_refused_in_any_other_encoding(tmp_path: Path, name: str) -> None:
    path = write_transfer(tmp_path) / name
    path.write_bytes(path.read_bytes().replace(b"class", b"cl\xe9ss"))
    with pytest.raises(DataError, match="invalid UTF-8"):
        read_transfer(tmp_path, name.partition("/")[0].replace("SST", "SST2"))


@pytest.mark.parametrize(
    ("lost", "noted", "warned"), [(0, False, False), (1, True, False), (10, True, False), (11, True, True)]
)
def test_a_copy_that_lost_rows_is_named_and_a_repaired_row_is_only_noted(
    lost: int, noted: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = other_rows_than_published("MR", {"all": 10662 - lost}, "rows", exact=False)
    assert found == ({"published_rows": 10662} if noted else {})
    assert ("MR has 10,651 rows here, 10,662 behind published numbers" in caplog.text) == warned


def test_each_part_of_a_split_task_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = {"train": 5452, "test": 400}
    found = other_rows_than_published("TREC", rows, "rows", exact=False)
    assert found == {"published_rows": {"test": 500}}
    assert "TREC has 400 rows to test on here, 500 behind published numbers" in caplog.text


def test_a_truncated_task_says_so_beside_its_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from contrapose.evaluate.encoding import encode_once

    data = read_transfer(write_transfer(tmp_path), "MR")
    task = TransferTask(data=data, protocol=transfer_protocol("senteval-transfer-fast"))
    (result,) = task.score(encode_once(by_class(), task.texts))
    assert result.details["published_rows"] == 10662
    assert "MR has 120 rows here" in caplog.text


def test_the_shared_data_has_the_published_rows_of_every_task(shared_data: Path) -> None:
    folder = shared_data / "senteval"
    counted = {}
    for task in PUBLISHED_ROWS:
        if task in STS_TASKS:
            counted[task] = {"test": len(read_sts(folder, task))}
        else:
            split = read_transfer(folder, task).split.tolist()
            counted[task] = {part: split.count(part) for part in dict.fromkeys(split)}
    assert counted == PUBLISHED_ROWS
