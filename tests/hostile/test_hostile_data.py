"""Malformed and hostile input: counted, quarantined or refused; never fatal, never silent, never large in memory."""

from __future__ import annotations

import gzip
import json
import random
import struct
import tracemalloc

import pytest

from contrapose.data.corpus import build_corpus
from contrapose.data.lines import Limits
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.errors import DataError, TooManyBadRows

COUNT = 10_000

#: Lines no reader of JSON lines of texts can take, each with its reason.
BAD_LINES = [
    (b'{"text": "\xff\xfe"}', "invalid UTF-8"),
    (b"\x80\x80\x80", "invalid UTF-8"),
    (b'{"text": "\xed\xa0\x80"}', "invalid UTF-8"),
    (b'{"text": "lone \\ud800"}', "wrong type"),
    (b'{"text": 1e999}', "wrong type"),
    (b'{"text": NaN}', "wrong type"),
    (b'{"text": null}', "wrong type"),
    (b'{"text": ["a"]}', "wrong type"),
    (b'{"text": {"text": "a"}}', "wrong type"),
    (b"1e999", "wrong type"),
    (b"[]", "wrong type"),
    (b'{"txet": "typo"}', "missing field"),
    (b"{}", "missing field"),
    (b'{"text": "cut', "invalid JSON"),
    (b'{"text": "nul \x00 raw"}', "invalid JSON"),
    (b'\x00{"text": "a"}', "invalid JSON"),
    (b"{text: 'single'}", "invalid JSON"),
    (b"<html>", "invalid JSON"),
    (b"9" * 5_000, "wrong type"),
    (b"[" * 10_000, "invalid JSON"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "invalid JSON"),
    (b'{"text": "' + b"x" * 25_000 + b'"}', "line too long"),
]
LIMITS = Limits(max_line_bytes=80_000)


def good_line(index: int) -> bytes:
    text = json.dumps({"text": f"good text {index} \N{GRINNING FACE} e\u0301"}, ensure_ascii=index % 2 == 0)
    return (b"\xef\xbb\xbf" if index % 97 == 0 else b"") + text.encode() + (b"\r\n" if index % 3 else b"\n")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """(file, where each bad line starts, reasons): 10,000 bad lines among 10,000 good ones, shuffled."""
    rng = random.Random(0)
    kinds = [(None, "")] * COUNT + [BAD_LINES[i % (len(BAD_LINES) - 1)] for i in range(COUNT)]
    rng.shuffle(kinds)
    path = tmp_path_factory.mktemp("mixed") / "mixed.jsonl"
    places, reasons = {}, {}
    with open(path, "wb") as file:
        for number, (line, reason) in enumerate(kinds, start=1):
            if line is not None:
                places[number] = file.tell()
                reasons[number] = reason
            file.write(good_line(number) if line is None else line + b"\n")
    return path, places, reasons


def test_ten_thousand_bad_lines_among_as_many_good_are_all_found_and_placed(mixed, tmp_path):
    path, places, reasons = mixed
    corpus = build_corpus(path, tmp_path / "corpus", max_bad_share=0.6, limits=LIMITS)
    statistics = corpus.statistics
    assert statistics.read == 2 * COUNT
    assert statistics.kept == len(corpus) == COUNT
    assert statistics.quarantined == COUNT
    parts = (
        statistics.kept,
        statistics.duplicates,
        statistics.unlabelled,
        statistics.too_short,
        statistics.too_long,
        statistics.quarantined,
    )
    assert sum(parts) == statistics.read
    records = [
        json.loads(line) for line in (tmp_path / "corpus" / "quarantine.jsonl").read_text().splitlines()
    ]
    assert {record["line"]: record["byte_offset"] for record in records} == places
    assert {record["line"]: record["reason"].split(":")[0] for record in records} == reasons
    assert all(record["file"] == str(path) for record in records)


def test_mostly_bad_input_stops_early_with_a_summary(mixed):
    path, _, _ = mixed
    quarantine = Quarantine(max_bad_share=0.2)
    with pytest.raises(TooManyBadRows, match=r"cannot be read, more than the allowed share of 0\.2"):
        list(read_rows(path, quarantine=quarantine, limits=LIMITS))
    assert 1_000 <= quarantine.read < 2_000


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_each_kind_of_bad_line_leaves_its_neighbours_alone(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    quarantine = Quarantine(max_bad_share=1)
    limits = Limits(max_line_bytes=20_000) if reason == "line too long" else LIMITS
    rows = list(read_rows(path, quarantine=quarantine, limits=limits))
    assert [row.texts for row in rows] == [("before",), ("after",)]
    assert quarantine.by_reason == {reason: 1}


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt.gz"])
def test_random_bytes_never_crash_a_reader(tmp_path, name):
    rng = random.Random(name)
    for _ in range(60):
        (tmp_path / name).write_bytes(rng.randbytes(rng.randrange(400)) + b"\n" * rng.randrange(3))
        quarantine = Quarantine(max_bad_share=1)
        try:
            rows = list(read_rows(tmp_path / name, quarantine=quarantine))
        except DataError as error:
            message = str(error)
        else:
            message = name
            assert quarantine.good == len(rows)
        assert name in message
        assert message.isprintable()


def test_a_thirty_megabyte_line_is_skipped_in_flat_memory(tmp_path):
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        file.write(b"before\n")
        for _ in range(30):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter\n")
    quarantine = Quarantine(max_bad_share=1)
    tracemalloc.start()
    try:
        rows = [row.texts for row in read_rows(path, quarantine=quarantine)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == [("before",), ("after",)]
    assert quarantine.by_reason == {"line too long": 1}
    assert "more than 1,000,000 bytes" in quarantine.records[0].detail
    assert peak < 4_000_000


def bomb(megabytes: int) -> bytes:
    return gzip.compress(b"\0" * (megabytes << 20), 9)


def test_a_gzip_bomb_is_refused_before_it_is_large(tmp_path):
    path = tmp_path / "bomb.txt.gz"
    path.write_bytes(b"".join([bomb(32)] * 8))
    assert path.stat().st_size * 900 < 256 << 20
    with pytest.raises(DataError, match=r"bomb\.txt\.gz grows to more than (6[4-9]|7\d) MiB"):
        list(read_rows(path, quarantine=Quarantine(max_bad_share=1)))


def test_strong_but_small_compression_is_read(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"the same line\n" * 20_000))
    corpus = build_corpus(path, tmp_path / "corpus")
    assert (len(corpus), corpus.statistics.duplicates) == (1, 19_999)


def test_the_limit_on_expanded_bytes_is_an_argument(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(random.Random(0).randbytes(100_000).hex().encode()))
    with pytest.raises(DataError, match="grows to more than"):
        list(read_rows(path, quarantine=Quarantine(), limits=Limits(max_expanded_bytes=10_000)))


def test_a_truncated_gzip_keeps_the_rows_before_the_break(tmp_path):
    lines = "".join(f"sentence {i * 2654435761 % 2**32}\n" for i in range(50_000)).encode()
    whole = gzip.compress(lines)
    path = tmp_path / "cut.txt.gz"
    path.write_bytes(whole[: len(whole) // 2])
    quarantine = Quarantine(max_bad_share=0.5)
    rows = [row.texts[0] for row in read_rows(path, quarantine=quarantine)]
    assert 10_000 < len(rows) < 40_000
    assert lines.decode().splitlines()[: len(rows)] == rows
    assert quarantine.by_reason == {"damaged gzip data": 1}
    assert quarantine.records[0].line == len(rows) + 1


def test_a_flipped_bit_in_gzip_data_is_never_silent(tmp_path):
    whole = bytearray(gzip.compress("".join(f"sentence {i}\n" for i in range(2_000)).encode()))
    for place in range(30, len(whole), len(whole) // 20):
        damaged = whole.copy()
        damaged[place] ^= 1
        (tmp_path / "a.txt.gz").write_bytes(damaged)
        quarantine = Quarantine(max_bad_share=1)
        list(read_rows(tmp_path / "a.txt.gz", quarantine=quarantine))
        assert quarantine.by_reason["damaged gzip data"] == 1


@pytest.mark.parametrize("size", [3, 9, 12, 500])
def test_a_gzip_cut_at_any_place_is_never_silent(tmp_path, size):
    whole = gzip.compress(random.Random(0).randbytes(2_000).hex().encode())
    (tmp_path / "a.txt.gz").write_bytes(whole[:size])
    quarantine = Quarantine(max_bad_share=1)
    list(read_rows(tmp_path / "a.txt.gz", quarantine=quarantine))
    assert quarantine.by_reason == {"damaged gzip data": 1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt.gz", gzip.compress(gzip.compress(b"text", mtime=0), mtime=0), "gzip data inside gzip data"),
        ("a.txt.gz", b"plain text", "not gzip data"),
        ("a.txt", gzip.compress(b"text", mtime=0), "add .gz"),
        ("a.parquet", b"PAR1" + b"garbage" * 10, "end mark is missing"),
        ("a.parquet", b"", "end mark is missing"),
        ("a.parquet", b"PAR1" + b"\xff" * 100 + struct.pack("<I", 90) + b"PAR1", "not a readable parquet"),
        ("a.parquet", b"PAR1" + struct.pack("<I", 4_000_000_000) + b"PAR1", "footer claims"),
        ("a.parquet.gz", gzip.compress(random.Random(0).randbytes(1000), mtime=0)[:-20], "damaged gzip data"),
        ("a.parquet.gz", gzip.compress(b"x", mtime=0)[:9], "damaged gzip data"),
    ],
)
def test_files_that_are_not_what_they_say_are_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_rows(tmp_path / name, quarantine=Quarantine()))
    assert name in str(caught.value)


def parquet(path, table, **options):
    import pyarrow.parquet as pq

    pq.write_table(table, path, **options)
    return path


def test_parquet_of_too_many_columns_rows_or_footer_bytes_is_refused(tmp_path):
    import pyarrow as pa

    wide = parquet(
        tmp_path / "wide.parquet", pa.table({f"c{i}": ["x"] for i in range(300)} | {"text": ["x"]})
    )
    for limits, message in (
        (Limits(max_columns=300), "301 columns"),
        (Limits(max_declared_rows=0), "declares 1 rows"),
        (Limits(max_footer_bytes=1_000), "footer of"),
    ):
        with pytest.raises(DataError, match=message):
            list(read_rows(wide, quarantine=Quarantine(), limits=limits))
    assert len(list(read_rows(wide, quarantine=Quarantine()))) == 1


def test_a_parquet_page_that_explodes_is_refused(tmp_path):
    import pyarrow as pa

    table = pa.table({"text": ["\0" * 1_000_000] * 4})
    path = parquet(tmp_path / "a.parquet", table, compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match="grows from"):
        list(read_rows(path, quarantine=Quarantine(), limits=Limits(free_expansion_bytes=1 << 20)))


def test_a_damaged_row_group_costs_its_rows_and_no_others(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"sentence {i * 2654435761 % 2**32}" for i in range(3_000)]
    path = parquet(
        tmp_path / "a.parquet",
        pa.table({"text": texts}),
        row_group_size=1_000,
        compression="zstd",
        use_dictionary=False,
    )
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)
    quarantine = Quarantine(max_bad_share=0.5)
    rows = [row.texts[0] for row in read_rows(path, quarantine=quarantine)]
    assert rows == texts[:1_000] + texts[2_000:]
    assert quarantine.by_reason == {"damaged parquet data": 1_000}
    assert quarantine.read == 3_000


def test_invalid_utf8_in_parquet_costs_its_row(tmp_path):
    import pyarrow as pa

    raw = pa.array([b"one", b"\xff\xfe", b"three"], pa.binary())
    strings = pa.StringArray.from_buffers(3, *raw.buffers()[1:])
    path = parquet(tmp_path / "a.parquet", pa.table({"text": strings}))
    quarantine = Quarantine(max_bad_share=0.5)
    assert [row.texts for row in read_rows(path, quarantine=quarantine)] == [("one",), ("three",)]
    assert [(record.line, record.reason) for record in quarantine.records] == [(2, "invalid UTF-8")]


def test_control_characters_of_names_and_columns_do_not_reach_messages(tmp_path):
    path = tmp_path / "evil\x1b[2J.csv"
    path.write_text("\x1b]0;owned\x07,b\n1,2\n")
    with pytest.raises(DataError) as caught:
        list(read_rows(path, quarantine=Quarantine()))
    assert "\x1b" not in str(caught.value)
    assert "\\x1b[2J" in str(caught.value)
