from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from contrapose.encoder.encoder import Encoder
from contrapose.errors import DataError, EmptyCorpus, ModelError, StorageError, UsageError
from contrapose.seeds import numpy_generator
from contrapose.storage import syscalls
from contrapose.use.encode import bulk_encode
from tests.tiny import SENTENCES, tiny_bert
from tests.use.fakes import WIDTH, HashEncoder, TableEncoder, vector_of


def lines_file(folder: Path, lines: list[str]) -> Path:
    path = folder / "in.txt"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def only(folder: Path, *names: str) -> bool:
    """The folder holds these files and nothing else, no temporary ones either."""
    return sorted(os.listdir(folder)) == sorted(names)


def read_parquet(path: Path):
    from pyarrow import parquet

    return parquet.read_table(path)


def test_npy_holds_one_vector_per_row_in_order(tmp_path: Path) -> None:
    texts = ["b", "a", "b", "c"]
    summary = bulk_encode(HashEncoder(), lines_file(tmp_path, texts), tmp_path / "out.npy", normalize=False)
    vectors = np.load(tmp_path / "out.npy", mmap_mode="r")
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.stack([vector_of(text) for text in texts]))
    assert (summary.rows, summary.width, summary.quarantined, summary.exit_code) == (4, WIDTH, 0, 0)
    assert only(tmp_path, "in.txt", "out.npy")


def test_vectors_have_unit_length_by_default(tmp_path: Path) -> None:
    bulk_encode(HashEncoder(), lines_file(tmp_path, ["a", "b"]), tmp_path / "out.npy")
    np.testing.assert_allclose(np.linalg.norm(np.load(tmp_path / "out.npy"), axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_ten_thousand_rows_of_shuffled_lengths_keep_order_and_count(tmp_path: Path, suffix: str) -> None:
    rng = numpy_generator(0, "lengths")
    texts = [f"{number} " + "x" * int(length) for number, length in enumerate(rng.integers(0, 200, 10_000))]
    texts[5_000] = texts[4_999]  # a repeat keeps its own row
    encoder, output = HashEncoder(), tmp_path / f"out{suffix}"
    summary = bulk_encode(encoder, lines_file(tmp_path, texts), output, normalize=False, rows_per_chunk=999)
    if suffix == ".npy":
        vectors = np.load(output)
    else:
        table = read_parquet(output)
        assert table["text"].to_pylist() == texts
        vectors = np.stack(table["embedding"].to_pylist())
    assert summary.rows == len(vectors) == 10_000
    assert max(encoder.calls) == 999
    np.testing.assert_array_equal(vectors, np.stack([vector_of(text) for text in texts]))


def test_long_documents_end_a_chunk_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrapose.use.rows.CHARACTERS_PER_CHUNK", 100)
    encoder = HashEncoder()
    bulk_encode(encoder, lines_file(tmp_path, ["x" * 60] * 6), tmp_path / "out.npy")
    assert encoder.calls == [2, 2, 2]


def test_vectors_beyond_the_memory_limit_take_the_same_way_through_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contrapose.use.encode.SPOOLED_BYTES", 100)
    texts = [f"text {number}" for number in range(50)]
    source = lines_file(tmp_path, texts)
    bulk_encode(HashEncoder(), source, tmp_path / "out.npy", normalize=False, rows_per_chunk=7)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out.npy"), np.stack([vector_of(text) for text in texts])
    )
    assert only(tmp_path, "in.txt", "out.npy")


def test_parquet_has_text_and_fixed_size_float32(tmp_path: Path) -> None:
    import pyarrow as pa

    source = lines_file(tmp_path, ["a", "", "é 🎈"])
    bulk_encode(HashEncoder(), source, tmp_path / "out.parquet", rows_per_chunk=2)
    table = read_parquet(tmp_path / "out.parquet")
    assert table.schema.names == ["text", "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), WIDTH)
    assert table["text"].to_pylist() == ["a", "", "é 🎈"]
    assert only(tmp_path, "in.txt", "out.parquet")


def test_unreadable_rows_are_left_out_counted_and_listed(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"good\n\xff\xfe bad\nfine\n\xff\n")
    summary = bulk_encode(HashEncoder(), source, tmp_path / "out.npy", normalize=False)
    np.testing.assert_array_equal(
        np.load(tmp_path / "out.npy"), np.stack([vector_of("good"), vector_of("fine")])
    )
    assert (summary.rows, summary.quarantined, summary.exit_code) == (2, 2, 3)
    listed = (tmp_path / "out.npy.quarantine.jsonl").read_text()
    assert [json.loads(line)["line"] for line in listed.splitlines()] == [2, 4]
    assert listed.endswith("\n")
    assert "invalid UTF-8" in listed
    assert "2 rows could not be read" in summary.lines()[1]
    assert summary.to_json()["quarantine_file"] == str(tmp_path / "out.npy.quarantine.jsonl")


def test_an_overwrite_takes_the_old_list_of_bad_rows_away(tmp_path: Path) -> None:
    source, output = tmp_path / "in.txt", tmp_path / "out.npy"
    source.write_bytes(b"good\n\xff\nfine\n")
    assert bulk_encode(HashEncoder(), source, output).quarantine_file is not None
    source.write_bytes(b"good\n")
    assert bulk_encode(HashEncoder(), source, output, overwrite=True).quarantine_file is None
    assert only(tmp_path, "in.txt", "out.npy")


def test_an_existing_output_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out.npy").write_bytes(b"precious")
    encoder = HashEncoder()
    with pytest.raises(UsageError, match=r"exists already.*--force"):
        bulk_encode(encoder, lines_file(tmp_path, ["a"]), tmp_path / "out.npy")
    assert (tmp_path / "out.npy").read_bytes() == b"precious"
    assert encoder.calls == []


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("error", [RuntimeError("the machine gave up"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path, suffix: str, error: BaseException) -> None:
    encoder = HashEncoder(fail_at=3, error=error)
    with pytest.raises(type(error)):
        bulk_encode(encoder, lines_file(tmp_path, ["a"] * 10), tmp_path / f"out{suffix}", rows_per_chunk=2)
    assert encoder.calls == [2, 2, 2]
    assert only(tmp_path, "in.txt")


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_failed_overwrite_keeps_the_old_output(tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    output.write_bytes(b"precious")
    source = lines_file(tmp_path, ["a"] * 10)
    with pytest.raises(RuntimeError):
        bulk_encode(HashEncoder(fail_at=2), source, output, rows_per_chunk=2, overwrite=True)
    assert output.read_bytes() == b"precious"
    assert only(tmp_path, "in.txt", output.name)


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    class Full(syscalls.Syscalls):
        def write(self, descriptor, data):
            raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(syscalls, "calls", Full())
    with pytest.raises(StorageError, match="Free some space"):
        bulk_encode(HashEncoder(), lines_file(tmp_path, ["a"] * 10), tmp_path / f"out{suffix}")
    assert only(tmp_path, "in.txt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.csv", r"must end in \.npy or \.parquet"),
        ("out", r"must end in \.npy or \.parquet"),
        ("out.parqet", r"Did you mean '\.parquet'"),
    ],
)
def test_an_unknown_suffix_lists_the_two(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bulk_encode(HashEncoder(), lines_file(tmp_path, ["a"]), tmp_path / name)


def test_a_folder_as_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.npy").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        bulk_encode(HashEncoder(), lines_file(tmp_path, ["a"]), tmp_path / "out.npy", overwrite=True)


def test_pairs_need_a_column(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    source.write_text('{"anchor": "a", "positive": "b"}\n')
    with pytest.raises(UsageError, match=r"anchor, positive.*--columns"):
        bulk_encode(HashEncoder(), source, tmp_path / "out.npy")
    bulk_encode(HashEncoder(), source, tmp_path / "out.npy", columns=["positive"], normalize=False)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), vector_of("b")[None])


def test_no_rows_and_no_file_are_errors_that_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpus, match=r"in\.txt: no rows"):
        bulk_encode(HashEncoder(), lines_file(tmp_path, []), tmp_path / "out.npy")
    with pytest.raises(DataError, match="no such file"):
        bulk_encode(HashEncoder(), tmp_path / "absent.txt", tmp_path / "out.npy")
    assert only(tmp_path, "in.txt")


def test_a_vector_that_is_not_finite_names_its_row(tmp_path: Path) -> None:
    encoder = TableEncoder({"a": [1, 0], "b": [float("nan"), 0]})
    with pytest.raises(ModelError, match=r"in\.txt line 2 is not finite"):
        bulk_encode(encoder, lines_file(tmp_path, ["a", "b"]), tmp_path / "out.npy")
    assert only(tmp_path, "in.txt")


def test_progress_counts_every_row(tmp_path: Path) -> None:
    done: list[int] = []
    source = lines_file(tmp_path, ["a"] * 10)
    bulk_encode(HashEncoder(), source, tmp_path / "out.npy", rows_per_chunk=4, progress=done.append)
    assert done == [4, 4, 2]


def test_a_real_encoder_gives_the_vectors_of_encode(tmp_path: Path) -> None:
    encoder = Encoder.load(tiny_bert(tmp_path / "model"))
    texts = [*SENTENCES, SENTENCES[0], ""]
    source = lines_file(tmp_path, texts)
    bulk_encode(encoder, source, tmp_path / "out.npy", rows_per_chunk=5)
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), encoder.encode(texts, normalize=True), atol=1e-5
    )
