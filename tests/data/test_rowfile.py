from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from contrapose.data.rowfile import RowFile, RowWriter, text_schema
from contrapose.errors import CorruptFile, UsageError


@pytest.fixture
def rows(tmp_path):
    """Batches of 3, 1 and 6 rows."""
    path = tmp_path / "rows.arrow"
    texts = [(f"anchor {i}", f"positive {i}") for i in range(10)]
    with open(path, "wb") as file:
        writer = RowWriter(file, ["anchor", "positive"])
        for batch in (texts[:3], [], texts[3:4], texts[4:]):
            columns = list(zip(*batch, strict=True)) or [(), ()]
            writer.write(
                pa.record_batch(
                    [pa.array(each, pa.string()) for each in columns], text_schema(["anchor", "positive"])
                )
            )
        writer.close()
    return RowFile(path)


def test_take_gives_rows_in_the_order_asked_with_repetitions(rows):
    ids = [9, 0, 3, 3, 2, 4]
    assert rows.take(np.array(ids)) == {
        "anchor": [f"anchor {i}" for i in ids],
        "positive": [f"positive {i}" for i in ids],
    }


def test_take_of_nothing_is_empty(rows):
    assert rows.take([]) == {"anchor": [], "positive": []}


@pytest.mark.parametrize("wrong", [[-1], [10], [0, 99]])
def test_an_id_outside_is_refused(rows, wrong):
    with pytest.raises(UsageError, match="run from 0 to 9"):
        rows.take(wrong)


def test_batches_give_all_rows_in_order(rows):
    assert [text for batch in rows.batches() for text in batch["anchor"]] == [
        f"anchor {i}" for i in range(10)
    ]


@pytest.mark.parametrize("content", [b"", b"not arrow", b"ARROW1\0\0garbage"])
def test_another_file_is_reported_as_corrupt(tmp_path, content):
    (tmp_path / "x.arrow").write_bytes(content)
    with pytest.raises(CorruptFile, match=r"x\.arrow"):
        RowFile(tmp_path / "x.arrow")
