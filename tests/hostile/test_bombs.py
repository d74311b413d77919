"""Files of some hundred bytes that stand for gigabytes, and inputs without end: refused while memory is still small."""

from __future__ import annotations

import gzip
import io
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contrapose.data.lines import DEFAULT_LIMITS, Limits
from contrapose.data.parquet_pages import DELTA_BYTE_ARRAY, DICTIONARY_PAGE, DamagedPage, Page, pages_of
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.errors import DataError
from contrapose.evaluate.beir import read_beir
from contrapose.evaluate.dataset_sources import dataset_sources
from contrapose.evaluate.files import read_lines
from contrapose.evaluate.labelled import read_judged
from tests.evaluate.folders import write_beir

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

#: What a reader may take beside the interpreter and its libraries.
MEMORY = 700 << 20
READ = """
import resource, sys
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
import pyarrow.parquet
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    rows = list(read_rows(sys.argv[1], quarantine=Quarantine(max_bad_share=1)))
    print(len(rows))
except Exception as error:
    print(type(error).__name__, error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def in_a_child(path: Path) -> tuple[str, int]:
    """What reading a file said, and the bytes of memory it took at most."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    *said, kilobytes = done.stdout.splitlines()
    return "\n".join(said), int(kilobytes) * (1 if sys.platform == "darwin" else 1024)


def rows_of(path: Path, limits: Limits = DEFAULT_LIMITS) -> list[tuple[str, ...]]:
    quarantine = Quarantine(max_bad_share=1)
    return [row.texts for row in read_rows(path, quarantine=quarantine, limits=limits)]


def repeated(text: str, times: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * times, pa.int32()), pa.array([text]))


def written(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    assert path.stat().st_size < 2_000, "a bomb is small"
    return path


def test_one_huge_string_of_a_dictionary_is_not_unpacked_for_every_row(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", {"text": repeated("a" * 11_000_000, 1_000)})
    said, memory = in_a_child(path)
    assert "DataError" in said
    assert "this is not how text compresses" in said
    assert memory < MEMORY


def test_a_row_of_millions_of_texts_gives_its_first_in_little_memory(tmp_path: Path) -> None:
    many = 1_000_000
    offsets = pa.array([0, 1, many, many + 1], pa.int32())
    lists = pa.ListArray.from_arrays(offsets, repeated("b" * 900_000, many + 1))
    said, memory = in_a_child(written(tmp_path / "a.parquet", {"anchor": ["x"] * 3, "positive": lists}))
    assert said == "3"
    assert memory < MEMORY


def test_texts_that_repeat_the_one_before_are_unpacked_few_at_a_time(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.parquet",
        {"text": ["c" * 1_000_000] * 20},
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    )
    small = Limits(free_expansion_bytes=4 << 20)
    with pytest.raises(DataError, match="this is not how text compresses"):
        rows_of(path, small)
    assert len(rows_of(path)) == 20, "twenty megabytes are no bomb"


def test_a_list_column_beyond_the_bounds_is_refused(tmp_path: Path) -> None:
    lists = pa.array([["a"] * 50, ["b"]])
    path = written(tmp_path / "a.parquet", {"anchor": ["x", "y"], "positive": lists})
    assert rows_of(path) == [("x", "a"), ("y", "b")]
    with pytest.raises(DataError, match="has more than 50 values in one row group"):
        rows_of(path, Limits(max_list_values=50))


def test_a_page_larger_than_its_footer_says_is_refused(tmp_path: Path) -> None:
    """The footer's size is made small; the page header, which the reader believes, is not."""
    path = written(tmp_path / "a.parquet", {"text": ["d" * 5_000_000]}, use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = path.read_bytes()
    truth = _varint(2 * chunk.total_uncompressed_size)
    at = data.index(truth, chunk.data_page_offset + chunk.total_compressed_size)
    lie = _varint(2 * 2_000_000)
    assert len(lie) == len(truth)
    path.write_bytes(data[:at] + lie + data[at + len(truth) :])
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).total_uncompressed_size == 2_000_000
    with pytest.raises(DataError, match="a page grows from"):
        rows_of(path, Limits(free_expansion_bytes=4 << 20))


def _varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
def test_pages_add_up_to_what_the_footer_says(tmp_path: Path, version: str, compression: str) -> None:
    path = tmp_path / "a.parquet"
    texts = [f"text {number % 700} of some" for number in range(6_000)]
    pq.write_table(
        pa.table({"text": texts, "list": [[text, "é"] for text in texts]}),
        path,
        compression=compression,
        data_page_version=version,
        data_page_size=1_000,
        row_group_size=2_000,
        dictionary_pagesize_limit=6_000,
        write_statistics=True,
    )
    metadata = pq.ParquetFile(path).metadata
    with open(path, "rb") as handle:
        for group in range(metadata.num_row_groups):
            for column in range(2):
                chunk = metadata.row_group(group).column(column)
                pages = list(pages_of(handle, chunk))
                data = [page for page in pages if page.kind != DICTIONARY_PAGE]
                assert len(data) > 1
                assert len(pages) - len(data) == 1
                assert sum(page.num_values for page in data) == chunk.num_values
                assert (
                    0 <= chunk.total_compressed_size - sum(page.packed for page in pages) < 100 * len(pages)
                )
                assert (
                    0 <= chunk.total_uncompressed_size - sum(page.size for page in pages) < 100 * len(pages)
                )


def test_a_delta_page_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": ["ab", "abc"]}),
        path,
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    )
    with open(path, "rb") as handle:
        (page,) = pages_of(handle, pq.ParquetFile(path).metadata.row_group(0).column(0))
    assert page.encoding == DELTA_BYTE_ARRAY


class Chunk:
    data_page_offset, dictionary_page_offset, total_compressed_size, num_values = 0, None, 1 << 30, 1 << 30


@pytest.mark.parametrize("seed", range(20))
def test_bytes_that_are_no_pages_end_in_a_page_or_in_one_error(seed: int) -> None:
    import random

    rng = random.Random(seed)
    for _ in range(100):
        noise = bytes(rng.choices([0, 0x15, 0x1C, 0x2C, 0x19, 0xFF, rng.randrange(256)], k=rng.randrange(60)))
        try:
            for page in pages_of(io.BytesIO(noise), Chunk):
                assert isinstance(page, Page)
        except DamagedPage:
            continue


def test_a_deep_page_header_is_damage() -> None:
    with pytest.raises(DamagedPage, match="too deeply"):
        list(pages_of(io.BytesIO(b"\x1c" * 4_000), Chunk))


# ---- evaluation data -------------------------------------------------------------------------------------------------


def test_a_beir_bomb_is_refused_while_it_is_small(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "bomb")
    with gzip.open(folder / "corpus.jsonl.gz", "wb", compresslevel=9) as file:
        for number in range(80):
            file.write(b'{"_id": "%d", "text": "%s"}\n' % (number, b"a" * 1_000_000))
    assert (folder / "corpus.jsonl.gz").stat().st_size < 200_000
    with pytest.raises(DataError, match="this is not how text compresses"):
        read_beir(folder)


def test_a_line_without_end_is_refused_at_its_bound_and_not_read_on(tmp_path: Path) -> None:
    """A pipe that gives 400 MB without a line end: the reader is gone before."""
    path = tmp_path / "pairs.tsv"
    os.mkfifo(path)
    feed = (
        "import sys\nwith open(sys.argv[1], 'wb') as pipe:\n for _ in range(400): pipe.write(bytes(1 << 20))"
    )
    writer = subprocess.Popen([sys.executable, "-c", feed, path], stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(DataError, match=r"pairs\.tsv:1: line too long"):
            read_judged(path)
        assert writer.wait(timeout=60) != 0, "it was cut off in the middle"
    finally:
        writer.kill()
        writer.wait(timeout=60)


def test_lines_without_end_are_refused_at_the_bound_of_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Limits(max_expanded_bytes=1 << 20)
    monkeypatch.setattr("contrapose.evaluate.files.lines_of.__defaults__", (small, "utf-8"))
    path = tmp_path / "a.tsv"
    path.write_text("1\tone\ttwo\n" * 200_000)
    with pytest.raises(DataError, match="more than 1 MiB of text"):
        read_lines(path)


def test_a_corpus_of_one_line_without_end_is_left_at_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(8 << 20))
    with pytest.raises(DataError, match="more than 4 MiB of text"):
        rows_of(path, Limits(max_expanded_bytes=4 << 20))


def test_a_pipe_in_a_data_folder_is_not_waited_for(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "library")
    os.mkfifo(folder / "topics.tsv")
    os.mkfifo(tmp_path / "test.en-de.tsv")
    assert [source.task for source in dataset_sources([tmp_path])] == ["library"]


def test_looking_for_tasks_reads_the_first_rows_of_a_table_only(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,label\n" + "a text,one\nanother,two\n" * 300_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (source,) = dataset_sources([tmp_path])
    assert (source.task, source.group) == ("mine", "clustering")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
