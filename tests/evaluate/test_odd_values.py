"""Evaluation files as spreadsheets and enemies write them: read right, or refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrapose.errors import DataError
from contrapose.evaluate.beir import read_beir
from contrapose.evaluate.labelled import kind_of, read_judged
from tests.evaluate.folders import write_beir


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["score;text1;text2\n", ""])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_pairs_are_split_by_what_their_rows_show(tmp_path: Path, header: str, delimiter: str) -> None:
    others = " ".join({",", ";", "\t", "|"} - {delimiter})
    rows = "".join(f'{row};"one {others} {row}";other {row}\n'.replace(";", delimiter, 1) for row in range(9))
    rows = rows.replace('";other', f'"{delimiter}other')
    path = write(tmp_path / "a.csv", header.replace(";", delimiter) + rows)
    found = read_judged(path, pairs=True)
    assert found.first[3] == f"one {others} 3"
    assert found.second[3] == "other 3"
    assert found.labels == tuple(map(str, range(9)))
    assert bool(found.notices) == (delimiter != ",")
    assert kind_of(path) == "pairs"


def test_unquoted_commas_do_not_cut_the_texts_of_a_semicolon_table(tmp_path: Path) -> None:
    rows = "".join(f"one, two, {row};topic {row % 2}\n" for row in range(9))
    found = read_judged(write(tmp_path / "a.csv", "\ufefftext;topic\n" + rows), pairs=False)
    assert found.first[0] == "one, two, 0"
    assert found.labels[:2] == ("topic 0", "topic 1")
    assert "separated by semicolons" in found.notices[0]


def test_a_decimal_comma_is_told_what_to_do(tmp_path: Path) -> None:
    rows = "".join(f"{row},5;text {row};other {row}\n" for row in range(9))
    with pytest.raises(
        DataError, match=r"a\.csv:1: the score '0,5' is not a number; decimals are written with"
    ):
        read_judged(write(tmp_path / "a.csv", rows), pairs=True)


def test_a_packed_table_is_read_as_the_plain_one(tmp_path: Path) -> None:
    import gzip

    text = "score;text1;text2\n1;a, b;c\n2;d;e\n"
    plain = read_judged(write(tmp_path / "a.csv", text))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert read_judged(tmp_path / "a.csv.gz").fingerprint == plain.fingerprint


@pytest.mark.parametrize("gain", ["²", "٣", "1" * 5_000, "9" * 12, "1.5", "--1", "1e400", "+1", "1_0"])
def test_gains_are_plain_whole_numbers(tmp_path: Path, gain: str) -> None:
    folder = write_beir(tmp_path / "set")
    with (folder / "qrels/test.tsv").open("a") as file:
        file.write(f"q0\td1\t{gain}\n")
    with pytest.raises(DataError, match=r"test\.tsv:\d+: the gain"):
        read_beir(folder)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("[" * 100_000, "invalid JSON: nested too deeply.*expected an object"),
        ('{"_id": "z", "text": ' + "[" * 100_000, "invalid JSON: nested too deeply.*expected an object"),
        ('{"_id": "z", "text": "\\ud800"}', "half a surrogate pair"),
        ('{"_id": "z", "text": 1e400}', "it is a number"),
        ("[1]", "expected an object"),
        ('{"_id": "z", "text": ²}', "invalid JSON"),
    ],
    ids=["deep", "deep field", "surrogate", "number", "list", "superscript"],
)
@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_an_odd_record_is_named_with_its_line(tmp_path: Path, name: str, record: str, message: str) -> None:
    folder = write_beir(tmp_path / "set")
    if name == "corpus.jsonl":
        import gzip

        (folder / name).write_bytes(gzip.decompress((folder / "corpus.jsonl.gz").read_bytes()))
        (folder / "corpus.jsonl.gz").unlink()
    with (folder / name).open("a") as file:
        file.write(record + "\n")
    with pytest.raises(DataError, match=rf"{name}:\d+: .*{message}"):
        read_beir(folder)


def test_a_record_with_a_number_of_any_length_beside_its_text_is_read(tmp_path: Path) -> None:
    folder = write_beir(tmp_path / "set")
    with (folder / "queries.jsonl").open("a") as file:
        file.write('{"_id": "z", "text": "fine", "n": %s, "m": 1e400}\n' % ("9" * 5_000))
    assert read_beir(folder).task == "set"
