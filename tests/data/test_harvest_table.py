"""A harvest is a parquet file that the readers of this package take as a corpus."""

from __future__ import annotations

import os

import pytest

from contrapose.data.harvest_table import KINDS, write_harvest, write_parquet
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.errors import EmptyCorpus, StorageError, UsageError

SOURCE = '''"""Draw shapes on a canvas. A canvas may be larger than the screen."""
def draw_all():
    """Draw all the shapes.  A canvas may be larger than the screen."""
'''


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "shapes.py"
    file.write_text(SOURCE, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "sentences",
            [
                ("Draw shapes on a canvas.",),
                ("A canvas may be larger than the screen.",),
                ("Draw all the shapes.",),
            ],
        ),
        (
            "pairs",
            [
                ("Draw shapes on a canvas.", "A canvas may be larger than the screen."),
                ("Draw all the shapes.", "A canvas may be larger than the screen."),
            ],
        ),
        ("names", [("shapes", "Draw shapes on a canvas."), ("draw all", "Draw all the shapes.")]),
    ],
)
def test_readers_take_each_kind_as_what_it_is(source, tmp_path, kind, expected):
    out = tmp_path / "new" / "corpus.parquet"
    count, statistics = write_harvest([source], out, kind=kind)
    quarantine = Quarantine()
    assert [row.texts for row in read_rows([out], quarantine=quarantine)] == expected
    assert (count, statistics.modules) == (len(expected), 1)


def test_nothing_documented_is_an_error_and_leaves_no_file(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1", encoding="utf-8")
    with pytest.raises(EmptyCorpus, match="1 files read"):
        write_harvest([tmp_path / "empty.py"], tmp_path / "corpus.parquet")
    assert os.listdir(tmp_path) == ["empty.py"]


def test_unknown_kind_is_refused_with_the_nearest(source, tmp_path):
    with pytest.raises(UsageError, match="'sentences'"):
        write_harvest([source], tmp_path / "x.parquet", kind="sentence")
    assert set(KINDS) == {"sentences", "pairs", "names"}


def test_place_that_cannot_hold_a_file_is_named(source, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="file"):
        write_parquet(tmp_path / "file" / "corpus.parquet", {"text": ["a"]})
