"""What stands between the columns of a csv is found, said, and never guessed against the header."""

from __future__ import annotations

import random

import pytest

from contrapose.data.corpus import build_corpus
from contrapose.data.delimiters import DELIMITERS, ONE_COLUMN, find_delimiter
from contrapose.data.lines import Limits
from contrapose.data.quarantine import BadLine, NoneBad, Quarantine
from contrapose.data.readers import read_rows
from contrapose.errors import DataError, UsageError


def read(path, columns=None):
    quarantine = Quarantine(max_bad_share=1)
    rows = [row.texts for row in read_rows(path, columns=columns, quarantine=quarantine)]
    return rows, quarantine


@pytest.fixture
def csv_of(tmp_path):
    def write(content, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_known_header_tells_the_delimiter_whatever_the_texts_hold(csv_of, delimiter):
    """Every text holds each of the other delimiters, as often as there are columns."""
    others = [other for other in DELIMITERS if other != delimiter]
    text = "one " + " two ".join(others) + " end"
    lines = ["\ufefftext", "label"], [text, "3"], [f'"{text}{delimiter} quoted ""so"""', "4"]
    rows, quarantine = read(csv_of("\r\n".join(delimiter.join(cells) for cells in lines)))
    assert rows == [(text,), (f'{text}{delimiter} quoted "so"',)]
    assert quarantine.bad == 0
    told = [] if delimiter == "," else [f"its columns are separated by {DELIMITERS[delimiter]}"]
    assert [notice.partition(": ")[2] for notice in quarantine.notices] == told


def test_a_semicolon_csv_trains_on_its_texts_and_the_account_says_so(csv_of, tmp_path):
    path = csv_of("text;label\n" + "".join(f"a sentence, number {n};{n % 3}\n" for n in range(50)))
    corpus = build_corpus(path, tmp_path / "corpus")
    assert corpus.columns == ("text",)
    assert corpus.take([0])["text"] == ["a sentence, number 0"]
    assert len(corpus) == 50
    assert "its columns are separated by semicolons" in corpus.statistics.lines()[-1]
    again = build_corpus(path, tmp_path / "corpus")
    assert again.statistics.notices == corpus.statistics.notices


def test_pairs_and_given_columns_are_found_by_any_delimiter(csv_of):
    path = csv_of("id;anchor;positive\n1;a, b;c\n2;d;e, f\n")
    assert read(path)[0] == [("a, b", "c"), ("d", "e, f")]
    body = csv_of("id|body, long|note\n1|x, y|z\n")
    assert read(body, ["body, long"])[0] == [("x, y",)]
    with pytest.raises(DataError, match="Found: id, body, long, note"):
        read(body)


def test_without_a_header_the_rows_decide(csv_of):
    content = "7;Good, cheap\n8;Bad; no; 'stars'\n" + "".join(f"{n};Text number {n}\n" for n in range(20))
    rows, quarantine = read(csv_of(content), ["2"])
    assert rows[0] == ("Good, cheap",)
    assert len(rows) == 21
    assert quarantine.by_reason == {"wrong number of fields": 1}


@pytest.mark.parametrize("header", ["text\n", "Sentence\n", ""])
def test_a_single_column_is_never_split(csv_of, header):
    texts = ["no comma at all", "one, comma", "two, commas, here", 'he said "so", then left', "a; b | c"]
    rows, quarantine = read(csv_of(header + "\n".join([*texts, '"quoted, too"'])))
    assert [row[0] for row in rows] == [*texts, "quoted, too"]
    assert quarantine.bad == 0
    assert "commas are part of its texts" in quarantine.notices[0]


def test_a_title_above_a_table_is_not_one_column(csv_of):
    content = "Export of the year\n" + "".join(f"{n},label,text number {n}\n" for n in range(30))
    with pytest.raises(DataError, match="wrong number of fields"):
        list(read_rows(csv_of(content), quarantine=Quarantine()))


def test_texts_whose_first_line_has_a_comma_are_not_taken_for_columns(csv_of):
    with pytest.raises(DataError, match="which columns are the texts"):
        read(csv_of("Hello, world\nno comma\nno comma here\n"))
    rows, _ = read(csv_of("Hello; world\nnone\nnone here\n"))
    assert rows == [("Hello; world",), ("none",), ("none here",)]


def test_a_declared_delimiter_is_taken_and_is_no_row(csv_of):
    rows, quarantine = read(csv_of("\ufeffsep=;\r\ntext;n\r\nfirst, row;1\r\n"))
    assert rows == [("first, row",)]
    assert quarantine.read == 1


def test_quoted_cells_over_several_lines_hold_the_delimiter(csv_of):
    rows, quarantine = read(csv_of('n;text\n1;"a; b\nc; d; e"\n2;f\n'))
    assert rows == [("a; b\nc; d; e",), ("f",)]
    assert quarantine.bad == 0


def test_the_search_looks_at_a_bounded_beginning(csv_of):
    path = csv_of("text;n\n" + "".join(f"{'word ' * 40}{n};{n}\n" for n in range(5_000)))
    rows, _ = read(path)
    assert len(rows) == 5_000
    assert all(len(row) == 1 and not row[0].endswith(";") for row in rows)


def test_no_lines_at_all_end_the_search():
    def nothing(cells):
        return False

    rng = random.Random(1)
    assert find_delimiter([], nothing, whole=True) == ONE_COLUMN
    for _ in range(300):
        lines = ["".join(rng.choices('a,;|\t"\0 \x0b', k=rng.randrange(9))) for _ in range(rng.randrange(6))]
        assert find_delimiter(lines, nothing, whole=bool(rng.randrange(2))) in {*DELIMITERS, ONE_COLUMN}


def test_positions_of_thousands_of_digits_are_no_columns(csv_of):
    path = csv_of("a,b\n" * 3)
    for given in ("9" * 5_000, "²", "0", "٢"):
        with pytest.raises(UsageError, match="has no column"):
            read(path, [given])


def test_where_every_row_counts_the_first_bad_one_is_an_error(csv_of):
    path = csv_of(b"text,n\nfine,1\n\xff,2\n")
    with pytest.raises(BadLine, match=r"a\.csv:3: invalid UTF-8") as caught:
        list(read_rows(path, quarantine=NoneBad()))
    assert caught.value.record.reason == "invalid UTF-8"


def test_an_input_above_the_bound_ends_with_an_error_and_not_with_memory(csv_of):
    path = csv_of("a line of text\n" * 1_000)
    with pytest.raises(DataError, match="more than 0 MiB of text"):
        list(read_rows(path, quarantine=Quarantine(), limits=Limits(max_expanded_bytes=5_000)))
