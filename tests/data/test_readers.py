from __future__ import annotations

import gzip
import io
import json
import sys

import pytest

from contrapose.data.lines import Limits
from contrapose.data.quarantine import Quarantine
from contrapose.data.readers import read_rows
from contrapose.errors import DataError, UsageError


def read(path, columns=None, **options):
    """(list of texts, quarantine) with no limit on bad rows."""
    quarantine = Quarantine(max_bad_share=1)
    rows = list(read_rows(path, columns=columns, quarantine=quarantine, **options))
    assert quarantine.good == len(rows)
    return [row.texts for row in rows], quarantine


def write(folder, name, content):
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


def write_parquet(path, **columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


TRIPLETS = [("a1", "p1", "n1"), ("a2", "p2", "n2")]
TRIPLET_FILES = {
    "t.csv": 'sent0,sent1,hard_neg\na1,"p1",n1\na2,p2,n2\n',
    "t.tsv": "anchor\tpositive\tnegative\na1\tp1\tn1\r\na2\tp2\tn2\r\n",
    "t.jsonl": "".join(json.dumps({"query": a, "pos": [p, "x"], "neg": [n]}) + "\n" for a, p, n in TRIPLETS),
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("name", TRIPLET_FILES)
def test_triplets_are_read_alike_from_every_text_format(tmp_path, name, packed):
    texts, quarantine = read(write(tmp_path, name + packed, TRIPLET_FILES[name]))
    assert texts == TRIPLETS
    assert quarantine.bad == 0


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_triplets_are_read_alike_from_parquet(tmp_path, packed):
    path = write_parquet(
        tmp_path / "t.parquet", query=["a1", "a2"], pos=[["p1", "x"], ["p2"]], neg=[["n1"], ["n2"]]
    )
    if packed:
        path = write(tmp_path, "t.parquet.gz", path.read_bytes())
    assert read(path)[0] == TRIPLETS


def test_rows_tell_their_file_line_and_columns(tmp_path):
    path = write(tmp_path, "a.csv", "id,text\n1,one\n\n2,two\n")
    rows = list(read_rows(path, quarantine=Quarantine()))
    assert [(row.texts, row.line, row.columns) for row in rows] == [
        (("one",), 2, ("text",)),
        (("",), 3, ("text",)),
        (("two",), 4, ("text",)),
    ]
    assert rows[0].file == str(path)


def test_txt_takes_both_line_ends_a_byte_order_mark_and_no_last_line_end(tmp_path):
    texts, _ = read(write(tmp_path, "a.txt", b"\xef\xbb\xbfone\r\ntwo\n\nlast"))
    assert texts == [("one",), ("two",), ("",), ("last",)]


def test_an_invalid_line_costs_one_line_and_is_placed_exactly(tmp_path):
    texts, quarantine = read(write(tmp_path, "a.txt", b"good\nbad \xff\nfine\n"))
    assert texts == [("good",), ("fine",)]
    (record,) = quarantine.records
    assert (record.line, record.byte_offset, record.reason) == (2, 5, "invalid UTF-8")
    assert "0xff at 9" in record.detail


def test_a_line_above_the_limit_is_quarantined_and_the_next_is_fine(tmp_path):
    path = write(tmp_path, "a.txt", b"x" * 100 + b"\n" + b"y" * 300_000 + b"\nnext\n")
    texts, quarantine = read(path, limits=Limits(max_line_bytes=100))
    assert texts == [("x" * 100,), ("next",)]
    assert quarantine.records[0].byte_offset == 101
    assert quarantine.by_reason == {"line too long": 1}


def test_utf16_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match="iconv"):
        read(write(tmp_path, "a.txt", "text".encode("utf-16")))


def test_a_single_given_column_leaves_plain_text_alone_and_two_are_an_error(tmp_path):
    path = write(tmp_path, "a.txt", "one\n")
    assert read(path, ["body"])[0] == [("one",)]
    with pytest.raises(UsageError, match="no columns"):
        read(path, ["a", "b"])


def test_jsonl_takes_objects_and_bare_strings(tmp_path):
    texts, quarantine = read(
        write(tmp_path, "a.jsonl", '{"text": "one"}\n"two"\n\n{"text": "three", "n": 1e999}\n')
    )
    assert texts == [("one",), ("two",), ("",), ("three",)]
    assert quarantine.bad == 0


def test_jsonl_columns_follow_the_majority_and_not_a_bad_first_record(tmp_path):
    texts, quarantine = read(write(tmp_path, "a.jsonl", '{"foo": "x"}\n{"text": "one"}\n{"text": "two"}\n'))
    assert texts == [("one",), ("two",)]
    assert quarantine.by_reason == {"missing field": 1}


def test_jsonl_of_pairs_quarantines_strings_nulls_and_empty_lists(tmp_path):
    good = '{"query": "q", "pos": "p"}\n' * 3
    bad = (
        '"q"\n{"query": "q"}\n{"query": null, "pos": "p"}\n{"query": "q", "pos": []}\n[1]\n7\n{"query": "q", '
    )
    texts, quarantine = read(write(tmp_path, "a.jsonl", good + bad))
    assert texts == [("q", "p")] * 3
    assert quarantine.by_reason == {"wrong type": 5, "missing field": 1, "invalid JSON": 1}


def test_a_jsonl_without_known_fields_is_an_error_listing_them(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"title": "t", "body": "b"}\n')
    with pytest.raises(DataError, match=r"Found: title, body.*--columns"):
        read(path)
    assert read(path, ["body"])[0] == [("b",)]
    with pytest.raises(UsageError, match="no column bodi"):
        read(path, ["bodi"])


def test_csv_cells_may_hold_commas_quotes_and_line_ends(tmp_path):
    texts, quarantine = read(write(tmp_path, "a.csv", 'id,text\n1,"a, ""b""\nc"\n2,5" pipe\n3,d\n'))
    assert texts == [('a, "b"\nc',), ('5" pipe',), ("d",)]
    assert quarantine.bad == 0


def test_a_stray_quote_costs_one_line_of_a_csv(tmp_path):
    lines = ["id,text", '1,"open', *(f"{i},plain" for i in range(2, 50)), '50,"closed"']
    texts, quarantine = read(write(tmp_path, "a.csv", "\n".join(lines)))
    assert len(texts) == 49
    assert [(record.line, record.reason) for record in quarantine.records] == [(2, "invalid csv")]


def test_quotes_that_never_close_take_linear_time(tmp_path):
    hostile = 'z","\n' * 20_000
    texts, quarantine = read(write(tmp_path, "a.csv", "id,text\n" + hostile))
    assert texts == []
    assert quarantine.bad == 20_000


def test_an_unreadable_line_inside_a_csv_record_does_not_join_its_neighbours(tmp_path):
    texts, quarantine = read(write(tmp_path, "a.csv", b'id,text\n1,"a\n\xff\nb"\n2,fine\n'))
    assert texts == [("fine",)]
    assert quarantine.by_reason["invalid UTF-8"] == 1
    assert quarantine.bad == 3


def test_missing_and_extra_fields_are_quarantined(tmp_path):
    for name, tab in (("a.csv", ","), ("a.tsv", "\t")):
        content = "id,text\n1\n1,good\n1,too,many\n".replace(",", tab)
        texts, quarantine = read(write(tmp_path, name, content))
        assert texts == [("good",)]
        assert quarantine.by_reason == {"wrong number of fields": 2}


def test_one_column_without_a_known_header_is_plain_texts(tmp_path):
    for name in ("a.csv", "a.tsv"):
        assert read(write(tmp_path, name, "first line\nsecond\n"))[0] == [("first line",), ("second",)]
        assert read(write(tmp_path, name, "Sentence\nsecond\n"))[0] == [("second",)]


def test_tsv_quotes_are_text(tmp_path):
    texts, _ = read(write(tmp_path, "a.tsv", 'sent0\tsent1\n"a\tb "c"\n'))
    assert texts == [('"a', 'b "c"')]


def test_positions_read_a_table_without_header(tmp_path):
    path = write(tmp_path, "a.tsv", "ajax\tone question\nscala\tanother\n")
    assert read(path, ["2"])[0] == [("one question",), ("another",)]
    assert read(path, ["2", "1"])[0][0] == ("one question", "ajax")
    with pytest.raises(UsageError, match="no column 3"):
        read(path, ["3"])
    with pytest.raises(DataError, match="positions"):
        read(path)


def test_standard_input_is_lines_plain_or_gz(monkeypatch):
    for content in (b"one\ntwo\n", gzip.compress(b"one\ntwo\n")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert read("-")[0] == [("one",), ("two",)]


def test_sources_of_different_columns_are_refused(tmp_path):
    write(tmp_path, "a.csv", "anchor,positive\na,b\n")
    write(tmp_path, "b.txt", "one\n")
    with pytest.raises(DataError, match=r"b\.txt gives the columns text, but .*a\.csv gave anchor, positive"):
        read(tmp_path)


def test_parquet_nulls_are_quarantined_and_other_types_refused(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", text=["one", None, "three"], n=[1, 2, 3])
    texts, quarantine = read(path)
    assert texts == [("one",), ("three",)]
    assert [(record.line, record.detail) for record in quarantine.records] == [(2, "text is null")]
    with pytest.raises(DataError, match="column n holds int64"):
        read(path, ["n"])


def test_parquet_of_dictionary_and_large_strings_is_text(tmp_path):
    import pyarrow as pa

    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        path = write_parquet(
            tmp_path / "a.parquet", body=pa.array(["one", "two", "one"]).cast(kind), n=[1, 2, 3]
        )
        assert read(path)[0] == [("one",), ("two",), ("one",)]


def test_an_unreadable_file_is_an_error_naming_it(tmp_path, monkeypatch):
    path = write(tmp_path, "a.txt", "one\n")
    import builtins

    real = builtins.open

    def refuse(name, *args, **options):
        if name == path:
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*a\.txt: Permission denied"):
        read(path)
